// How tightwire.hpp, which includes this, calls back: what becomes of exceptions, and of callbacks that go.
#ifndef TIGHTWIRE_CALLBACK_HPP
#define TIGHTWIRE_CALLBACK_HPP

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tightwire.h"
#include "tightwire_error.hpp"

namespace tw {
inline namespace v1 {

namespace detail {

/// Where exceptions of callbacks wait for run() or poll().
struct loop_state {
    tw_loop id = 0;
    std::exception_ptr thrown;
    /// A thread of the library drives the loop, or did: there is nobody to throw to.
    std::atomic<bool> own_thread{false};
    /// What connections of a server may still point at.
    std::vector<std::shared_ptr<void>> kept;

    void hand_to(std::function<void(std::exception_ptr)> handler) {
        std::lock_guard<std::mutex> lock(mutex_);
        on_exception_ = std::move(handler);
    }

    template <class F> void guard(F &&call) noexcept {
        if (thrown) {
            return; // on the way out: the first one counts
        }
#if TW_HAS_EXCEPTIONS
        try {
            call();
        } catch (...) {
            if (own_thread && driven() != this) {
                hand_over(std::current_exception());
                return;
            }
            thrown = std::current_exception();
            tw_loop_stop(id);
        }
#else
        call();
#endif
    }

    /// This thread is in run(), poll() or the destructor of a loop, as long as this lives.
    class driving {
    public:
        explicit driving(const loop_state *now) noexcept : before_(driven()) { driven() = now; }
        ~driving() { driven() = before_; }
        driving(const driving &) = delete;
        driving &operator=(const driving &) = delete;

    private:
        const loop_state *before_;
    };

private:
    static const loop_state *&driven() noexcept {
        static thread_local const loop_state *here = nullptr;
        return here;
    }
    /// What the handler throws ends the program.
    void hand_over(std::exception_ptr thrown_here) noexcept {
        std::function<void(std::exception_ptr)> handler;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            handler = on_exception_;
        }
        if (!handler) {
            std::terminate();
        }
        handler(thrown_here);
    }

    std::mutex mutex_;
    std::function<void(std::exception_ptr)> on_exception_;
};

template <class F, class... A> void call_if(const F &callback, A &&...arguments) {
    if (callback) {
        // A copy, so that a callback may replace or destroy what it is stored in.
        F copy = callback;
        copy(std::forward<A>(arguments)...);
    }
}

/// What the callback answers, or `otherwise` if there is none.
template <class R, class F, class... A> R ask(R otherwise, const F &callback, A &&...arguments) {
    if (!callback) {
        return otherwise;
    }
    F copy = callback;
    return copy(std::forward<A>(arguments)...);
}

} // namespace detail

} // namespace v1
} // namespace tw

#endif
