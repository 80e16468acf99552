"""What answers look like on the wire: JSON, YAML, protobuf, and the shapes Table and PartialObjectMetadata."""
