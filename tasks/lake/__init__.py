"""The lake that a store is in: where it lies, what it is made of, what its database refuses."""
