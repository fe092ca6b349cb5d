"""The permissions that ``ddbetl iam`` shows.

In: a spec. Out: IAM policy documents as JSON. Invariant: the tables are looked up and nothing of them is read, offline
nothing is asked at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddbetl.cli.spec import checked, naming_profile, show_warnings
from ddbetl.cli.terminal import complain
from ddbetl.errors import ConnectionFailed
from ddbetl.inputs import Inputs

if TYPE_CHECKING:
    from ddbetl.plan.physical import PhysicalPlan, ReadExec


def documents(inputs: Inputs, offline: bool) -> dict[str, Any]:
    """One policy document, or several by whom they are for."""
    from ddbetl import api, compilation
    from ddbetl.plan import iam

    if offline:
        plan = checked(inputs)
    else:
        try:
            with naming_profile(inputs.profile):
                plan = api.compiled(inputs)
        except ConnectionFailed as error:
            raise ConnectionFailed(f"{error}\n`ddbetl iam --offline` looks no table up.") from error
    show_warnings(plan)
    named = compilation.named(inputs, plan.physical.now)
    write = plan.physical.write
    creates = named.creates if offline else write is not None and write.create is not None
    found = iam.policies(plan.physical, named.tables, plan.sites, creates=creates, dry=_dry(plan.physical))
    for identity, document in found.items():
        if (size := iam.length(document)) > iam.LONGEST:
            complain(
                f"The policy for {identity} has {size:,} characters, and IAM takes {iam.LONGEST:,}: "
                "--offline names tables by wildcards.\n"
            )
    return found if len(found) > 1 else next(iter(found.values()))


def _dry(plan: PhysicalPlan) -> tuple[ReadExec, ...]:
    """How check --collisions and ttl read the tables: an index may have all that they ask for."""
    from ddbetl.engine.dry import reduced

    write = plan.write
    if write is None:
        return ()
    asked = [(write.ttl_attribute,)] if write.ttl_attribute is not None else []
    return tuple(read for columns in ((), *asked) for read in reduced(plan, *columns).scans)
