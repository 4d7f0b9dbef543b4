"""Pictures of frames: attributes (what a picture needs of a data set), frames (decoding), values (how they look), picture."""
