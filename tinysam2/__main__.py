"""`python -m tinysam2`: the same as the `tinysam2` command, for launchers that start modules."""

from tinysam2.cli import main

if __name__ == "__main__":
    main()
