"""Where values and calls are kept, and what all kinds of storage share."""
