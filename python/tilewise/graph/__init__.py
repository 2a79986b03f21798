"""What a model computes, as a graph: recorded by running it once.

Example:
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    >>> [node.op for node in tw.graph.trace(net, tw.zeros(1, 1, 8, 8)).nodes]
    ['Conv2d', 'ReLU', 'Flatten']
"""

from .nodes import Graph, Node, Value
from .tracer import trace

__all__ = ["Graph", "Node", "Value", "trace"]
