"""Times are taken in turn, and ratios are of the same rounds."""

from benchmarks.frame.timing import SLOW, SLOW_EVERY, Spread, in_turn, ratio, summed


class Clock:
    """A clock that only the calls move."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def call(self, name, *seconds):
        """A call that takes the next of some seconds, the last one again and again."""
        left = list(seconds)

        def run():
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run

    def __call__(self):
        return self.now


def test_quartiles_lie_around_the_median():
    assert Spread.of([4.0, 1.0, 2.0, 3.0, 5.0]) == Spread(median=3.0, lower=2.0, upper=4.0, least=1.0, count=5)
    assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0, 2.0, 1)


def test_every_round_runs_all_and_every_second_one_backwards():
    clock = Clock()
    in_turn({name: clock.call(name, 1.0) for name in "abc"}, rounds=3, clock=clock)
    warm_up, *rounds = ("".join(clock.order[start : start + 3]) for start in range(0, 12, 3))
    assert warm_up == "abc"
    assert rounds == ["cba", "abc", "cba"]


def test_the_warm_up_is_not_counted():
    clock = Clock()
    taken = in_turn({"a": clock.call("a", 9.0, 1.0, 2.0)}, rounds=2, clock=clock)
    assert taken == {"a": {0: 1.0, 1: 2.0}}


def test_a_slow_call_is_left_out_of_most_rounds():
    clock, done = Clock(), []
    calls = {"slow": clock.call("slow", SLOW), "quick": clock.call("quick", 0.1)}
    taken = in_turn(calls, 2 * SLOW_EVERY, done.append, clock)
    assert list(taken["slow"]) == [0, SLOW_EVERY]
    assert list(taken["quick"]) == list(range(2 * SLOW_EVERY))
    assert done == list(range(2 * SLOW_EVERY + 1))


def test_a_ratio_is_of_times_from_the_same_round():
    # The machine is twice as slow in the second round, for both.
    ours, theirs = {0: 1.0, 1: 2.0, 2: 1.0}, {0: 4.0, 1: 8.0}
    assert ratio(ours, theirs) == Spread(0.25, 0.25, 0.25, 0.25, 2)
    assert ratio({0: 1.0}, {1: 1.0}) is None


def test_a_frame_is_the_sum_of_the_rounds_that_all_parts_have():
    assert summed([{0: 1.0, 1: 2.0}, {1: 3.0, 2: 4.0}]) == {1: 5.0}
    assert summed([]) == {}
