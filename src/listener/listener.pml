/* SPDX-License-Identifier: MIT */
/* The protocol between whoever feeds a listener and whoever waits for it, when a thread drives the client: the queue
 * with its marks, the condition with its count of waiters, and the poll descriptor. Each step names the function of
 * listener.c or wake.c that it stands for.
 *
 * What holds, however the threads interleave: the descriptor is readable exactly while get() would not say -EAGAIN,
 * whenever the lock is free; when nothing moves any more, nobody sleeps for whom there is something, or who slept
 * while the connection ended or the listener was removed; each event is taken, dropped or cleared, once, and taken in
 * order; -ENOBUFS comes once for what was dropped before, and before the next event; where a connection ended, somebody
 * is told before the next one's first event; everybody ends, and no run is endless, so nobody waits busily either.
 *
 * It refuses to know rules, handlers and the history, for which nobody waits, and memory, which does not run out here.
 *
 * What a thread does with the lock held is one atomic step here. Without the lock nobody sees anything of it but the
 * descriptor, and polling that changes nothing. Where a listener is registered, removed, opened, closed or given an
 * event, the client's lock is held as well.
 *
 * check: -DEVENTS=3
 * cycles: -DEVENTS=1
 *
 * With one step done wrong, the model must fail:
 *
 * fail: EDGE_SIGNAL -DEVENTS=2   only the first event in the queue wakes a waiter, and who takes one wakes nobody
 * fail: COUNT_LATE -DEVENTS=2    a waiter is counted only once it has been woken
 * fail: SLEEP_LATE -DEVENTS=2    the lock is let go before the waiter sleeps
 * fail: NO_BROADCAST -DEVENTS=2  the end of a connection, or a removal, wakes one waiter, as an event does
 * fail: NO_CLOSINGS -DEVENTS=2   an end that is over before the waiter has the lock again goes unnoticed
 * fail: NO_MARK -DEVENTS=2       the end of a connection leaves no mark
 * fail: FD_EARLY -DEVENTS=2      taking an event clears the descriptor, whatever is left
 * fail: FD_LATE -DEVENTS=2       the descriptor is changed after the lock was let go
 * fail: FD_STUCK -DEVENTS=2      the descriptor is not cleared
 * fail: NOBUFS_TWICE -DEVENTS=2  a loss is told, and told again
 */

#define GETTERS 2
#define SLOTS 6

#define OK 0
#define EAGAIN 1
#define ENOBUFS 2
#define ENOTCONN 3
#define ESTALE 4
#define ECANCELED 5

#define MARK_END 100
#define MARK_GAP 101
#define is_event(m) (m > 0 && m < MARK_END)

/* The listener. */
bool opened, attached, heard, mark_told, lost;
byte queue_max, n, n_marks, n_waiting, removals, closings;
byte queue[SLOTS];
bool fd_open, fd_readable;
bool fd; /* what poll(2) says */

bool asleep[GETTERS]; /* in pthread_cond_wait() */

bool running; /* the client */
bool disturbed; /* an end, a removal or a clear has begun: one of them */

/* What is watched from outside. */
byte gone[EVENTS + 1]; /* how often each event has left the queue */
byte connection_of[EVENTS + 1];
byte connection, last_event, last_connection;
byte ended;
bool border_told, loss_untold;
bool over[GETTERS]; /* the connection ended, or the listener was removed, while this one slept */

byte i;

#define readable (lost || n > 0 || !opened)

/* ring_pop(), ring_push() */
inline pop()
{
    d_step {
        for (i : 0 .. SLOTS - 2) {
            queue[i] = queue[i + 1]
        }
        queue[SLOTS - 1] = 0;
        n--;
        i = 0
    }
}

inline push(m)
{
    d_step {
        assert(n < SLOTS);
        queue[n] = m;
        n++
    }
}

/* An event leaves the queue; nothing is remembered of it but that. */
inline leave(m)
{
    d_step { gone[m]++; connection_of[m] = 0 }
}

inline signal()
{
    if
    :: asleep[0] -> asleep[0] = false
    :: asleep[1] -> asleep[1] = false
    :: !asleep[0] && !asleep[1]
    fi
}

/* pthread_cond_broadcast(), when the connection ends or the listener is removed */
inline broadcast()
{
    d_step {
        over[0] = over[0] || asleep[0];
        over[1] = over[1] || asleep[1]
    }
#ifndef NO_BROADCAST
    d_step { asleep[0] = false; asleep[1] = false }
#endif
}

/* update(), with wake_set() and wake_clear() */
inline update()
{
    if
    :: readable && n_waiting > 0 -> signal()
    :: else
    fi;
    update_fd()
}

inline update_fd()
{
    if
    :: fd_open && readable != fd_readable -> 
        fd_readable = readable;
#ifdef FD_STUCK
        fd = true
#else
        fd = fd_readable
#endif
    :: else
    fi;
    assert(!fd_open || fd == readable)
}

/* drop_oldest() */
inline drop_oldest()
{
    if
    :: is_event(queue[0]) -> leave(queue[0]); pop()
    :: else -> /* the mark stays, unless another one follows */
        leave(queue[1]);
        queue[1] = queue[0];
        pop();
        if
        :: n > 1 && !is_event(queue[1]) -> pop(); n_marks--
        :: else
        fi
    fi;
    lost = true;
    loss_untold = true
}

/* empty_queue() */
inline empty_queue()
{
    d_step {
        for (i : 0 .. SLOTS - 1) {
            if
            :: is_event(queue[i]) -> leave(queue[i])
            :: else
            fi;
            queue[i] = 0
        }
        i = 0;
        n = 0;
        n_marks = 0;
        mark_told = false;
        lost = false;
        heard = false;
        loss_untold = false;
        last_connection = 0
    }
}

/* push_mark() */
inline push_mark(m)
{
    if
    :: n > 0 && !is_event(queue[n - 1])
    :: else -> push(m); n_marks++
    fi
}

inline taken(m)
{
    assert(!loss_untold);
    assert(m > last_event);
    assert(border_told || last_connection == 0 || last_connection == connection_of[m]);
    last_event = m;
    last_connection = connection_of[m];
    leave(m);
    border_told = false
}

/* take() */
inline take(r)
{
    if
    :: lost ->
        assert(loss_untold);
        loss_untold = false;
#ifndef NOBUFS_TWICE
        lost = false;
#endif
        r = ENOBUFS
    :: !lost && n == 0 -> r = (opened -> EAGAIN : ENOTCONN)
    :: !lost && n > 0 && queue[0] == MARK_GAP -> pop(); n_marks--; border_told = true; r = ESTALE
    :: !lost && n > 0 && queue[0] == MARK_END ->
        if
        :: opened || n > 1 -> pop(); n_marks--
        :: else -> mark_told = true
        fi;
        border_told = true;
        r = ENOTCONN
    :: !lost && n > 0 && is_event(queue[0]) -> taken(queue[0]); pop(); r = OK
    fi;
#ifdef FD_EARLY
    fd = fd && r != OK
#endif
}

/* The end of what takes something. */
inline update_taken()
{
#ifdef EDGE_SIGNAL
    update_fd()
#else
    update()
#endif
}

/* listener_push() */
inline listener_push(m)
{
    if
    :: n - n_marks >= queue_max -> drop_oldest()
    :: else
    fi;
    push(m);
    heard = true;
#ifdef EDGE_SIGNAL
    if
    :: n == 1 -> signal()
    :: else
    fi;
    update_fd()
#elif defined(FD_LATE)
    if
    :: n_waiting > 0 -> signal()
    :: else
    fi;
    late = fd_open && !fd_readable;
    fd_readable = fd_open
#else
    update()
#endif
}

/* close_locked() */
inline listener_close()
{
    opened = false;
    closings++;
#ifndef NO_MARK
    if
    :: heard -> push_mark(MARK_END)
    :: else
    fi;
#endif
    heard = false;
    broadcast();
    update()
}

/* listener_open() */
inline listener_open()
{
    opened = true;
    if
    :: mark_told -> pop(); n_marks--; mark_told = false
    :: else
    fi;
    update()
}

/* listener_gap() */
inline listener_gap()
{
    push_mark(MARK_GAP);
    heard = false;
    update()
}

/* listener_remove() */
inline listener_remove()
{
    d_step {
        attached = false;
        opened = false;
        removals++;
        empty_queue()
    }
    broadcast();
    update()
}

/* take_waiting(): sleeping lets the lock go, and waking up takes it again. */
inline go_to_sleep()
{
#ifndef COUNT_LATE
    n_waiting++;
#endif
#ifdef SLEEP_LATE
    skip
#else
    asleep[me] = true
#endif
}

inline wake_up()
{
#ifndef COUNT_LATE
    n_waiting--
#else
    skip
#endif
}

/* The library's thread: what comes over the connection, which may end and begin again once. */
proctype driver()
{
    byte event = 1;
#ifdef FD_LATE
    bool late;
#endif

    do
    :: atomic {
        event <= EVENTS && running ->
            if
            :: attached -> connection_of[event] = connection; listener_push(event)
            :: else -> gone[event]++
            fi;
            event++
    }
#ifdef FD_LATE
        if
        :: late -> fd = true; late = false
        :: else
        fi
#endif
    :: atomic {
        running && !disturbed -> /* dispatch_close() */
            disturbed = true;
            running = false;
            if
            :: attached -> listener_close()
            :: else
            fi
    }
    :: atomic {
        running && !disturbed -> /* dispatch_gap() */
            disturbed = true;
            connection++;
            if
            :: attached -> listener_gap()
            :: else
            fi
    }
    :: atomic {
        !running -> /* dispatch_open() */
            connection++;
            running = true;
            if
            :: attached -> listener_open()
            :: else
            fi
    }
    :: event > EVENTS && running && disturbed -> break
    od
}

/* Another thread of the user's, which does one thing or nothing. */
proctype caller()
{
    if
    :: atomic { !disturbed -> disturbed = true; empty_queue(); update() } /* qmp_listener_clear() */
    :: atomic { !disturbed -> disturbed = true; listener_remove() } /* qmp_client_remove_listener() */
        atomic { /* qmp_client_register_listener() */
            attached = true;
            if
            :: running -> listener_open()
            :: else
            fi
        }
    :: atomic { !disturbed -> disturbed = true } /* nothing */
    :: disturbed
    fi
}

/* qmp_listener_get() with time, in a loop; `timed`: the first wait has a limit (EAGAIN stands for -ETIMEDOUT then);
 * `once`: only until it has an event. */
proctype getter(byte me; bool timed; bool once)
{
    byte r, removals_before, closings_before, tries;
    bool expired;

again:
    atomic {
        take(r);
        update_taken();
        if
        :: r != EAGAIN -> goto out
        :: else
        fi
    }
    atomic { /* listener_waiting() */
        if
        :: !attached -> r = ENOTCONN; goto out
        :: else
        fi
    }
    atomic { /* take_waiting() */
        removals_before = removals;
        closings_before = closings;
wait:
        take(r);
        if
        :: r != EAGAIN || expired -> goto done
        :: else
        fi;
        go_to_sleep()
    }
#ifdef SLEEP_LATE
    asleep[me] = true;
#endif
    if
    :: !asleep[me]
    :: atomic { timed && asleep[me] -> asleep[me] = false; expired = true; timed = false }
    fi;
    atomic {
        wake_up();
        if
        :: removals != removals_before -> r = ECANCELED; goto out
        :: else
        fi;
#ifndef NO_CLOSINGS
        if
        :: closings != closings_before && opened && n == 0 && !lost -> r = ENOTCONN; goto done
        :: else
        fi;
#endif
        goto wait;
done:
        update_taken();
out:
        over[me] = false;
        expired = false;
        removals_before = 0;
        closings_before = 0;
        if
        :: tries < 1 && (r == ENOTCONN || r == ECANCELED) -> tries++; r = 0; goto again
        :: r != ENOTCONN && r != ECANCELED && !(once && r == OK) -> r = 0; goto again
        :: else -> ended++
        fi
    }
}

/* poll(2) and qmp_listener_get() without time, in a loop. */
proctype poller()
{
    byte r, tries;

    atomic { fd_open = true; update() } /* qmp_listener_get_fd() */
again:
    fd; /* which may be out of date when something is taken */
    atomic {
        take(r);
        update_taken();
        if
        :: r != ENOTCONN -> r = 0; goto again
        :: r == ENOTCONN && tries < 1 -> r = 0; tries++; goto again
        :: else -> ended++
        fi
    }
}

init
{
    atomic {
        opened = true;
        attached = true;
        running = true;
        connection = 1;
        if
        :: queue_max = 1
        :: queue_max = 2
        fi;
        run driver();
        run caller();
        run getter(0, false, false);
        run getter(1, true, true);
        run poller()
    }
    /* Nothing moves any more. */
    timeout;
    d_step {
        assert(!(readable && (asleep[0] || asleep[1])));
        assert(!(over[0] && asleep[0]) && !(over[1] && asleep[1]));
        assert(fd == readable)
    }
    atomic {
        if
        :: listener_remove()
        :: listener_close() /* listener_orphan() */
        fi
    }
    timeout;
    d_step {
        assert(ended == GETTERS + 1);
        empty_queue();
        for (i : 1 .. EVENTS) {
            assert(gone[i] == 1)
        }
    }
}
