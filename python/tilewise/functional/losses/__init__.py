"""Losses, one file a family.

pointwise.py   a function of each element: mse, l1, Huber, Poisson, Gaussian, KL, hinge
binary.py      two classes: cross-entropy, focal, soft margin
classes.py     one label of many: cross-entropy, NLL, focal, margins
distances.py   pairs and triples of vectors
overlap.py     Dice
"""
