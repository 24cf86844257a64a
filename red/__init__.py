"""The RED network in the paper's words (Peng et al., ECCV 2016), its losses, data and training."""
