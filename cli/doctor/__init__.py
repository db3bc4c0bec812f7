"""`teachset doctor`: what is wrong here, and how to mend it; a module an area."""
