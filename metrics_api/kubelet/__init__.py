"""How to ask one kubelet: address, port, TLS, transport, decoding. The only code that talks to kubelets."""
