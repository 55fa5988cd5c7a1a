// Coroutines, and functions on their own.
#include <iostream>
#include <optional>
#include <tightwire_coroutine.hpp>

@fragment@
