"""Who asks, and may they: the cluster decides, this room asks it and remembers the answer for a while."""
