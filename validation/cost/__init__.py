"""Cost: parameters, multiply-accumulates, activations and weight bytes of a preset and of its peers, counted alike.

Public: `count.model_cost` counts a preset; `peers.PEERS` counts SAM 2.1-tiny and EdgeTAM.
"""
