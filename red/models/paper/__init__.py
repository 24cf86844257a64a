"""Preset ``paper``: the network as Peng et al. (ECCV 2016) have it, at full size; see docs/paper_network.md."""
