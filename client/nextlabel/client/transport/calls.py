"""One description of every call, for both modes and every scope.

The methods of a service are written once, as coroutines and as async generators of chunks. What a caller sees depends
on two things, and the descriptors below tell type checkers the same:

- the mode of the client: under `Awaiting` calls are awaited, under `Blocking` they run on an event loop in a thread;
- the scope of the service: of the server, where a call names its project and run, or of one project or run, which the
  service then knows already.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from nextlabel.client.transport.arguments import with_checked_arguments
from nextlabel.client.transport.connection import Connection
from nextlabel.client.transport.modes import Awaiting, Blocking

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class OfServer:
    """Calls name the project, and the run, that they mean."""


class OfProject:
    """Calls mean one project."""


class OfRun:
    """Calls mean one run of a project."""


Mode = TypeVar("Mode", Awaiting, Blocking)
Scope = TypeVar("Scope", bound=OfServer | OfProject | OfRun)


class Service(Generic[Mode, Scope]):
    """The calls of one service, made over a shared connection.

    `names` are those of the project and of the run that the calls mean, as far as the scope says.
    """

    def __init__(self, connection: Connection, mode: Mode, *names: str) -> None:
        self._connection = connection
        self._mode: Mode = mode
        self._names = names

    def bound(self, function: Callable[..., R], names: int) -> Callable[..., R]:
        """A method of this service with the first of its `names` filled in, as far as they are known."""
        method = update_wrapper(partial(function, self, *self._names[:names]), function)
        # It would be taken for the signature, which lacks what is filled in.
        del method.__wrapped__
        return method

    @property
    def mode(self) -> Mode:
        """How the calls are made."""
        return self._mode


class _Declared(Generic[P, R]):
    """A method that was declared as a call, which begins with so many names: of a project, and of a run."""

    names = 0

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function: Callable[..., Any] = with_checked_arguments(function)
        update_wrapper(self, function)  # type: ignore[arg-type]


class _Unary(_Declared[P, R]):
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return self if service is None else service.mode.call(service.bound(self.function, self.names))


class _Stream(_Declared[P, R]):
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return self if service is None else service.mode.stream(service.bound(self.function, self.names))


class call(_Unary[P, R]):  # noqa: N801  (a decorator, like property)
    """Declares a call that means no project: a coroutine method."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(self, service: Service[Blocking, Any], owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, service: Service[Awaiting, Any], owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return super().__get__(service, owner)


class stream(_Stream[P, T]):  # noqa: N801
    """Declares a call that returns many elements and means no project: an async generator method of chunks of them."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[Sequence[T]]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(self, service: Service[Blocking, Any], owner: type) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(self, service: Service[Awaiting, Any], owner: type) -> Callable[P, AsyncGenerator[T, None]]: ...
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return super().__get__(service, owner)


class project_call(_Unary[P, R]):  # noqa: N801
    """Declares a call that means a project, its first argument: a coroutine method."""

    names = 1

    def __init__(self, function: Callable[Concatenate[Any, str, P], Coroutine[Any, Any, R]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(self, service: Service[Blocking, OfServer], owner: type) -> Callable[Concatenate[str, P], R]: ...
    @overload
    def __get__(
        self, service: Service[Awaiting, OfServer], owner: type
    ) -> Callable[Concatenate[str, P], Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, service: Service[Blocking, OfProject], owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, service: Service[Awaiting, OfProject], owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return super().__get__(service, owner)


class project_stream(_Stream[P, T]):  # noqa: N801
    """Declares a call that returns many elements and means a project, its first argument."""

    names = 1

    def __init__(self, function: Callable[Concatenate[Any, str, P], AsyncIterator[Sequence[T]]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self, service: Service[Blocking, OfServer], owner: type
    ) -> Callable[Concatenate[str, P], Generator[T, None, None]]: ...
    @overload
    def __get__(
        self, service: Service[Awaiting, OfServer], owner: type
    ) -> Callable[Concatenate[str, P], AsyncGenerator[T, None]]: ...
    @overload
    def __get__(self, service: Service[Blocking, OfProject], owner: type) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(self, service: Service[Awaiting, OfProject], owner: type) -> Callable[P, AsyncGenerator[T, None]]: ...
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return super().__get__(service, owner)


class run_call(_Unary[P, R]):  # noqa: N801
    """Declares a call that means a run, by project and id, its first arguments: a coroutine method."""

    names = 2

    def __init__(self, function: Callable[Concatenate[Any, str, str, P], Coroutine[Any, Any, R]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(self, service: Service[Blocking, OfServer], owner: type) -> Callable[Concatenate[str, str, P], R]: ...
    @overload
    def __get__(
        self, service: Service[Awaiting, OfServer], owner: type
    ) -> Callable[Concatenate[str, str, P], Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, service: Service[Blocking, OfProject], owner: type) -> Callable[Concatenate[str, P], R]: ...
    @overload
    def __get__(
        self, service: Service[Awaiting, OfProject], owner: type
    ) -> Callable[Concatenate[str, P], Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, service: Service[Blocking, OfRun], owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, service: Service[Awaiting, OfRun], owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return super().__get__(service, owner)


class run_stream(_Stream[P, T]):  # noqa: N801
    """Declares a call that returns many elements and means a run, by project and id, its first arguments."""

    names = 2

    def __init__(self, function: Callable[Concatenate[Any, str, str, P], AsyncIterator[Sequence[T]]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, service: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self, service: Service[Blocking, OfServer], owner: type
    ) -> Callable[Concatenate[str, str, P], Generator[T, None, None]]: ...
    @overload
    def __get__(
        self, service: Service[Awaiting, OfServer], owner: type
    ) -> Callable[Concatenate[str, str, P], AsyncGenerator[T, None]]: ...
    @overload
    def __get__(
        self, service: Service[Blocking, OfProject], owner: type
    ) -> Callable[Concatenate[str, P], Generator[T, None, None]]: ...
    @overload
    def __get__(
        self, service: Service[Awaiting, OfProject], owner: type
    ) -> Callable[Concatenate[str, P], AsyncGenerator[T, None]]: ...
    @overload
    def __get__(self, service: Service[Blocking, OfRun], owner: type) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(self, service: Service[Awaiting, OfRun], owner: type) -> Callable[P, AsyncGenerator[T, None]]: ...
    def __get__(self, service: Service[Any, Any] | None, owner: type) -> Any:
        return super().__get__(service, owner)
