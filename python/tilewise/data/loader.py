"""DataLoader: batches in a seeded order, read ahead by background threads."""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import set_serial_thread
from .collate import default_collate, to_tensor
from .dataset import Dataset, Indices, SupportsGather
from .draws import Draws, draw_seed, permutation, sample_scope
from .transforms import BatchTransform, RandomChoice

if TYPE_CHECKING:
    from .._core import Generator


_MIXING_STREAM = 0x6D6978  # keeps the mixing of a batch independent of its images' transforms


class SampleError(RuntimeError):
    """Reading a sample failed; the error itself is the `__cause__`.

    Attributes:
        batch: which batch of the epoch; indices: the samples that were being read.
    """

    def __init__(self, batch: int, indices: Sequence[int], error: BaseException) -> None:
        self.batch = batch
        self.indices = list(indices)
        what = (
            f"sample {self.indices[0]}"
            if len(self.indices) == 1
            else f"samples {', '.join(map(str, self.indices[:4]))}… ({len(self.indices)})"
        )
        super().__init__(
            f"DataLoader: reading {what} of batch {batch} failed: {type(error).__name__}: {error}"
        )


class DataLoader:
    """Iterate over a dataset in batches.

    The order is a pure function of (seed, epoch): the same whatever the number of workers, and
    the same after a run was resumed. Each pass over the loader is one epoch; `set_epoch` chooses
    which. Workers are threads (never processes: nothing is forked or pickled) that read ahead;
    none is left behind when the loop is left early.

    Args:
        dataset: anything with `__len__` and `__getitem__`. One with `gather` is read a whole
            batch at a time.
        batch_size: samples in a batch; the last may be smaller.
        shuffle: visit the samples in a new random order each epoch.
        sampler: instead of `shuffle`, an iterable of indices, gone through once an epoch.
        num_workers: background threads; 0 reads in the calling thread.
        collate_fn: makes a batch of a list of samples; `default_collate` by default.
        drop_last: leave out a last batch that is not full.
        seed: fixes the order and the transforms' draws. By default it is drawn from `generator`,
            or from the global one that `tilewise.manual_seed` sets.
        generator: see `seed`.
        prefetch_factor: batches each worker may be ahead.
        batch_transform: mixes a batch of (images, labels): `transforms.MixUp`, `CutMix` or
            `RandomChoice`, which then draw from the seed and the epoch, or any callable.
        pin_memory: accepted for PyTorch's sake; host memory has nothing to pin it for.

    Raises:
        ValueError, TypeError: an argument is out of its range.
        SampleError: while iterating, where the dataset or `collate_fn` raised.

    Example:
        >>> from tilewise.data import TensorDataset
        >>> loader = DataLoader(TensorDataset(np.arange(5)), batch_size=2, shuffle=True, seed=0)
        >>> [len(batch[0]) for batch in loader]
        [2, 2, 1]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        *,
        seed: int | None = None,
        generator: Generator | None = None,
        prefetch_factor: int = 2,
        batch_transform: Callable[[Any, Any], Any] | None = None,
        pin_memory: bool = False,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("prefetch_factor", prefetch_factor, 1),
        ):
            if isinstance(value, bool) or operator.index(value) < least:
                raise ValueError(f"DataLoader: expected {name} of at least {least}, got {value}")
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                "DataLoader: expected a dataset with __len__ and __getitem__, "
                f"got {type(dataset).__name__}"
            )
        if shuffle and sampler is not None:
            raise ValueError("DataLoader: expected shuffle or a sampler, got both")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.sampler = sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.prefetch_factor = prefetch_factor
        self.batch_transform = batch_transform
        self.pin_memory = pin_memory
        self.seed = draw_seed(generator) if seed is None else operator.index(seed)
        self._epoch = 0
        self._start_batch = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._batch_count(
            len(self.dataset) if self.sampler is None else len(list(self.sampler))
        )

    def _batch_count(self, samples: int) -> int:
        whole, rest = divmod(samples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch of the next pass, and how many of its batches to skip.

        Skipped batches are not read: this is how an interrupted run goes on where it was.

        Raises:
            ValueError: a number is negative.
        """
        if epoch < 0 or start_batch < 0:
            raise ValueError(
                f"set_epoch: expected numbers of at least 0, got {epoch} and {start_batch}"
            )
        self._epoch = epoch
        self._start_batch = start_batch

    def order(self, epoch: int) -> Indices:
        """The sample indices of an epoch, in the order in which they are visited: int64 (N,)."""
        if self.sampler is not None:
            return np.asarray(list(self.sampler), dtype=np.int64)
        if self.shuffle:
            return permutation(len(self.dataset), self.seed, epoch)
        return np.arange(len(self.dataset), dtype=np.int64)

    def __iter__(self) -> Iterator[Any]:
        epoch, start = self._epoch, self._start_batch
        self._epoch, self._start_batch = epoch + 1, 0
        order = self.order(epoch)
        stop = self._batch_count(len(order))

        def read(batch: int) -> Any:
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            return self._mixed(batch, chosen, epoch, self._read(batch, chosen, epoch))

        if self.num_workers == 0:
            return map(read, range(start, stop))
        return _PrefetchIterator(
            _Prefetcher(read, start, stop, self.num_workers * self.prefetch_factor),
            self.num_workers,
        )

    def _mixed(self, batch: int, indices: Indices, epoch: int, read: Any) -> Any:
        """The batch after `batch_transform`."""
        mix = self.batch_transform
        if mix is None:
            return read
        try:
            images, labels = read
            if isinstance(mix, BatchTransform | RandomChoice):
                draws = Draws(self.seed, epoch, indices, stream=_MIXING_STREAM)
                return mix.apply(images, labels, draws)
            return mix(images, labels)
        except Exception as error:
            raise SampleError(batch, indices.tolist(), error) from error

    def _read(self, batch: int, indices: Indices, epoch: int) -> Any:
        dataset = self.dataset
        if self.collate_fn is None and isinstance(dataset, SupportsGather):
            draws = Draws(self.seed, epoch, indices)
            try:
                return tuple(to_tensor(column) for column in dataset.gather(indices, draws))
            except Exception as error:
                raise SampleError(batch, indices.tolist(), error) from error
        samples = []
        for index in indices.tolist():
            try:
                with sample_scope(self.seed, epoch, index):
                    samples.append(dataset[index])
            except Exception as error:
                raise SampleError(batch, [index], error) from error
        try:
            return (self.collate_fn or default_collate)(samples)
        except Exception as error:
            raise SampleError(batch, indices.tolist(), error) from error


class _Prefetcher:
    """Numbered tasks done by threads a bounded distance ahead, handed out in order."""

    def __init__(self, task: Callable[[int], Any], start: int, stop: int, depth: int) -> None:
        self._task = task
        self._next = start
        self._wanted = start
        self._stop = stop
        self._depth = depth
        self._results: dict[int, tuple[Any, BaseException | None]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def start(self, workers: int) -> None:
        self._threads = [
            threading.Thread(target=self._work, name=f"tilewise-loader-{i}", daemon=True)
            for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        # Workers are the parallelism here: native calls of each must not take the cores that train.
        set_serial_thread(True)
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        self._closed
                        or self._next >= self._stop
                        or self._next < self._wanted + self._depth
                    )
                )
                if self._closed or self._next >= self._stop:
                    return
                number = self._next
                self._next += 1
            result: tuple[Any, BaseException | None]
            try:
                result = (self._task(number), None)
            except BaseException as error:  # every kind must reach the consumer
                result = (None, error)
            with self._changed:
                self._results[number] = result
                self._changed.notify_all()

    def take(self) -> Any:
        """The next result in order, once it is there; raises what its task raised."""
        with self._changed:
            if self._wanted >= self._stop or self._closed:
                raise StopIteration
            self._changed.wait_for(lambda: self._wanted in self._results)
            value, error = self._results.pop(self._wanted)
            self._wanted += 1
            self._changed.notify_all()
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """Stop the threads, after the tasks that they are at; waits for them to end."""
        with self._changed:
            self._closed = True
            self._results.clear()
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()


class _PrefetchIterator:
    """Consumes a `_Prefetcher` and closes it at the end, on an error, or when it is dropped."""

    def __init__(self, prefetcher: _Prefetcher, workers: int) -> None:
        self._prefetcher = prefetcher
        # The threads hold the prefetcher but never this object, so leaving a loop early drops it.
        self._finalizer = weakref.finalize(self, prefetcher.close)
        prefetcher.start(workers)

    def __iter__(self) -> _PrefetchIterator:
        return self

    def __next__(self) -> Any:
        try:
            return self._prefetcher.take()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the threads; nothing more comes."""
        self._finalizer()
