"""The operations that Tensor's methods and operators are made of, forward and backward together.

Functions of the public namespace (`tw.exp`) and methods of Tensor (`x.exp()`) are the same objects.
Operations of layers (convolution, pooling, …) are in `tilewise.functional`.
"""
