"""Golden vectors: what a bundle's programs, preprocessing and loop give, recorded when it is made, and their replay."""
