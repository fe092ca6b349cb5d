"""Vectorised functions of the user's own: pyarrow arrays in, one of as many rows out.

In: a declaration. Out: its lowering, by which DuckDB calls Python with some thousand rows at a time, and the array of
one row, which is the reference. Invariants: both give the user's code arrays of the same types, and take from it the
same results; a page whose call fails goes by reference, where each row has its own error or value.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from typing import Any

from ddbetl.errors import RowError
from ddbetl.functions.declared import Declared
from ddbetl.functions.forms import SCALE, is_null, to_decimal
from ddbetl.functions.model import Fast, Form, Lower, Lowering, PageFunction
from ddbetl.numbers import check_number
from ddbetl.types import Duration, Timestamp, Type, Value

FORMS = {
    Type.STRING: Form.TEXT,
    Type.NUMBER: Form.DECIMAL,
    Type.BOOLEAN: Form.BOOLEAN,
    Type.BINARY: Form.BASE64,
    Type.TIMESTAMP: Form.MILLIS,
    Type.DURATION: Form.MILLIS,
}
# What DECIMAL(38,9) holds, in a type that has room for a sum or a multiple of it.
PRECISION = 38


def arrow_type(type_: Type) -> Any:
    """The type of the arrays that hold values of a type."""
    import pyarrow as pa

    match type_:
        case Type.STRING:
            return pa.string()
        case Type.NUMBER:
            return pa.decimal256(PRECISION, SCALE)
        case Type.BOOLEAN:
            return pa.bool_()
        case Type.BINARY:
            return pa.binary()
        case Type.TIMESTAMP:
            return pa.timestamp("ms", "UTC")
        case _:
            return pa.duration("ms")


# One row


def one_row(value: Value, type_: Type) -> Any:
    """An array of a single value; a RowError for a number that has no place in one."""
    import pyarrow as pa

    if isinstance(value, Timestamp | Duration):
        return pa.array([value.millis], pa.int64()).cast(arrow_type(type_))
    try:
        return pa.array([value], arrow_type(type_))
    except UnicodeEncodeError:
        message = "a text holds half of a surrogate pair, which is no Unicode character"
        raise RowError("R0205", message) from None
    except pa.ArrowInvalid:
        message = f"a vectorised function takes numbers of at most 29 digits before the point and {SCALE} behind it"
        raise RowError("R0116", message) from None


def only_row(found: Any, returns: Type) -> Value:
    """The value of a result of one row; a RowError where it is none."""
    import pyarrow as pa

    array = _checked(found, 1, returns)
    value = array[0]
    if not value.is_valid:
        return None
    try:
        match returns:
            case Type.TIMESTAMP:
                return Timestamp(array.cast(arrow_type(returns)).cast(pa.int64())[0].as_py())
            case Type.DURATION:
                return Duration(array.cast(arrow_type(returns)).cast(pa.int64())[0].as_py())
            case Type.NUMBER:
                # Not by way of DECIMAL(38,9): a number of the language has more room than that.
                digits = array.cast(pa.decimal128(PRECISION, 0)) if pa.types.is_integer(array.type) else array
                return check_number(digits[0].as_py())
            case Type.STRING:
                return str(array.cast(pa.string())[0].as_py())
            case Type.BINARY:
                return bytes(array.cast(pa.binary())[0].as_py())
            case _:
                return bool(value.as_py())
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise RowError("R0116", f"it returned a value that is no {returns}: {error}") from None


def _checked(found: Any, rows: int, returns: Type) -> Any:
    """An array of so many rows, of a type that holds values of the language's; a RowError otherwise."""
    import pyarrow as pa

    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    if not isinstance(found, pa.Array):
        raise RowError("R0116", f"it returned a {type(found).__name__}, and no pyarrow array")
    if len(found) != rows:
        raise RowError("R0116", f"it returned {len(found):,} rows for {rows:,}")
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_null(found.type):
        return found.cast(arrow_type(returns))
    if not _FITS[returns](pa.types, found.type):
        floats = ", which is not exact: cast it to a decimal" if pa.types.is_floating(found.type) else ""
        raise RowError("R0116", f"it returned an array of {found.type}, which is no {returns}{floats}")
    return found


_FITS: dict[Type, Callable[[Any, Any], bool]] = {
    Type.STRING: lambda types, found: types.is_string(found) or types.is_large_string(found),
    Type.NUMBER: lambda types, found: types.is_integer(found) or types.is_decimal(found),
    Type.BOOLEAN: lambda types, found: types.is_boolean(found),
    Type.BINARY: lambda types, found: (
        types.is_binary(found) or types.is_large_binary(found) or types.is_fixed_size_binary(found)
    ),
    Type.TIMESTAMP: lambda types, found: types.is_timestamp(found) and found.tz is not None,
    Type.DURATION: lambda types, found: types.is_duration(found),
}


# Many rows


def lowering(declared: Declared) -> Lower:
    """The lowering of a call: Python is called with the arguments of the page's rows."""
    types = [type_ for _, type_, _ in declared.parameters]
    least = sum(not optional for _, _, optional in declared.parameters)
    runs = {count: _over_page(declared, count) for count in range(least, len(types) + 1)}

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        values: list[str] = []
        forms = tuple(FORMS[type_] for type_ in types[: len(arguments)])
        for argument, form in zip(arguments, forms, strict=True):
            fast = to_decimal(argument) if form is Form.DECIMAL else argument
            if fast is None or (fast.form is not form and not is_null(fast)):
                return None
            values.append(f"CAST({fast.value} AS {form.value})")
        result = FORMS[declared.returns]
        value = lowering.call(PageFunction(declared.name, runs[len(values)], forms, result), tuple(values))
        return Fast(lowering.bind(value), result)

    return lower


def _over_page(declared: Declared, count: int) -> Callable[..., Any]:
    """The Python function as DuckDB calls it, with ``count`` arguments: it takes and gives values in their forms.
    Raises whatever is wrong."""
    types = [type_ for _, type_, _ in declared.parameters]

    def run(*columns: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        arrays = [_given(column, type_) for column, type_ in zip(columns, types, strict=False)]
        rows = len(arrays[0])
        if declared.nulls:
            return _taken(declared.call(*arrays), rows, declared.returns) if rows else _nothing(declared.returns, 0)
        valid = arrays[0].is_valid()
        for array in arrays[1:]:
            valid = pc.and_(valid, array.is_valid())
        known = valid.true_count
        if known == 0:
            return _nothing(declared.returns, rows)
        if known == rows:
            return _taken(declared.call(*arrays), rows, declared.returns)
        found = _taken(declared.call(*(array.filter(valid) for array in arrays)), known, declared.returns)
        # Back to their places, with NULL in between.
        places = pc.subtract(pc.cumulative_sum(valid.cast(pa.int64())), 1)
        return found.take(pc.if_else(valid, places, pa.scalar(None, pa.int64())))

    # DuckDB asks how many arguments there are.
    arguments = [inspect.Parameter(f"c{number}", inspect.Parameter.POSITIONAL_ONLY) for number in range(count)]
    run.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    return run


def _given(column: Any, type_: Type) -> Any:
    """The values of a form as the user's code takes them."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if type_ is Type.BINARY:
        texts = array.to_pylist()
        return pa.array([None if text is None else base64.b64decode(text) for text in texts], pa.binary())
    return array.cast(arrow_type(type_))


def _taken(found: Any, rows: int, returns: Type) -> Any:
    """What the user's code returned, in the form of its type."""
    import pyarrow as pa

    array = _checked(found, rows, returns)
    match returns:
        case Type.STRING:
            texts = array.cast(pa.string())
            # It may have been made of any bytes.
            texts.validate(full=True)
            return texts
        case Type.NUMBER:
            return array.cast(pa.decimal128(PRECISION, SCALE))
        case Type.BINARY:
            octets = array.cast(pa.binary()).to_pylist()
            return pa.array([None if one is None else base64.b64encode(one).decode() for one in octets], pa.string())
        case Type.TIMESTAMP | Type.DURATION:
            return array.cast(arrow_type(returns)).cast(pa.int64())
        case _:
            return array.cast(arrow_type(returns))


def _nothing(returns: Type, rows: int) -> Any:
    import pyarrow as pa

    types = {
        Form.TEXT: pa.string(),
        Form.BASE64: pa.string(),
        Form.DECIMAL: pa.decimal128(PRECISION, SCALE),
        Form.BOOLEAN: pa.bool_(),
        Form.MILLIS: pa.int64(),
    }
    return pa.nulls(rows, types[FORMS[returns]])
