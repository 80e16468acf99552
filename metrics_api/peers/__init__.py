"""What replicas say to each other: a starting one takes the samples of one that runs."""
