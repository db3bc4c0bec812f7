"""What good data is: the only package that imports Great Expectations."""
