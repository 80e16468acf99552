"""Samples in, usage and encoded answers out; everything the read path looks up."""
