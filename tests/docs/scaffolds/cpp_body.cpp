// Statements within a function.
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include <tightwire.hpp>

void body(tw::loop &loop, tw::websocket &ws, tw::server &server, const std::string &url);
void body(tw::loop &loop, tw::websocket &ws, tw::server &server, const std::string &url) {
    (void)loop, (void)ws, (void)server, (void)url;
    {
@fragment@
    }
}
