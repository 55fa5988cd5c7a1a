"""Which steps scenarios have, and which scenarios the class in C++ can play."""

import scripted

# Steps without a counterpart in C++: `tw::websocket` has one callback for each event, no events of the application's,
# no files, and arguments that the compiler checks. Scenarios with one of them are left out there.
CPP_LACKS = {"listen", "unlisten", "attribute", "dispatch", "prevent", "send a file", "send_value", "send_nothing"}


def name_of(step):
    ((what, given),) = step.items()
    return "send a file" if what == "send" and given.get("as") == "file" else what


def steps(scenario):
    """The names of the steps of a client."""
    lists = (steps for steps in scenario["client"].values() if isinstance(steps, list))
    return {name_of(step) for steps in lists for step in steps if isinstance(step, dict)}


IN_CPP = [name for name, scenario in scripted.SCENARIOS.items() if not steps(scenario) & CPP_LACKS]
