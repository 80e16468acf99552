"""Client configuration, list and watch, reviews. The only code that talks to kube-apiserver."""
