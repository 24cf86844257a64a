"""What each part of the network is worth."""
