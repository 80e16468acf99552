"""Listening: certificates, TLS contexts, the uvicorn server and its graceful end."""
