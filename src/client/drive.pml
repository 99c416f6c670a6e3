/* SPDX-License-Identifier: MIT */
/* Who receives, thread-driven: the library's thread, which sleeps on its wake-up and on the descriptor, and callers who
 * wait for their replies, one of whom may be the leader. Each step names the function that it stands for.
 *
 * What holds, however the threads interleave: whoever receives finds nothing of what was read before; nobody calls back
 * but the library's thread, once at a time, and no reply overtakes a callback that was due before it; nobody polls or
 * watches a descriptor that is closed; everybody ends: so nobody sleeps for ever while bytes can be read or sent, while
 * the command is over, or while somebody waits for the leader to leave.
 *
 * It refuses to know sessions, listeners and memory. A command's own lock is a single step here. Only in some searches
 * does the server leave commands unanswered, a wait time out, or poll(2) fail: each would hide that somebody was
 * forgotten.
 *
 * check: -DSERVER=ANSWERS -DEVENTS=1
 * check: -DSERVER=ANSWERS -DEVENTS=0 -DCLOGGED=1
 * check: -DSERVER=ANSWERS -DTIMEOUT -DEVENTS=0
 * check: -DSERVER=CLOSES -DEVENTS=1
 * check: -DSERVER=MUTE -DEVENTS=0
 * check: -DSERVER=ANSWERS -DLEADER_FAILS -DEVENTS=1
 * check: -DSERVER=ANSWERS -DTHREAD_FAILS -DEVENTS=0
 * cycles: -DSERVER=ANSWERS -DEVENTS=0
 * cycles: -DSERVER=ANSWERS -DLEADER_FAILS -DEVENTS=0
 *
 * With one step done wrong, the model must fail:
 *
 * fail: NO_ARM          -DSERVER=ANSWERS -DEVENTS=0  a leader leaves, and nobody watches the descriptor
 * fail: NO_WAKE         -DSERVER=ANSWERS -DEVENTS=1  a leader leaves a callback behind, and says nothing
 * fail: NO_WAKE_OUT     -DSERVER=ANSWERS -DEVENTS=0 -DCLOGGED=1  what could not be sent is nobody's
 * fail: WATCH_LATE      -DSERVER=ANSWERS -DEVENTS=0  what to watch is decided with the lock, and changed without it
 * fail: CLEAR_LATE      -DSERVER=MUTE -DEVENTS=0  the wake-up is cleared after the work, not before
 * fail: LEAD_ANYWAY     -DSERVER=ANSWERS -DEVENTS=1  a caller leads while the library's thread is in a step
 * fail: GO_ON           -DSERVER=ANSWERS -DEVENTS=1  a leader goes on behind a callback that is due
 * fail: NO_NUDGE_DONE   -DSERVER=MUTE -DEVENTS=0  the leader's command is over, and it is not told
 * fail: NO_NUDGE_OUST   -DSERVER=MUTE -DEVENTS=0  nor that the descriptor is to be closed
 * fail: NO_OUST         -DSERVER=MUTE -DEVENTS=0  the descriptor is closed under the leader
 * fail: NO_TELL         -DSERVER=MUTE -DEVENTS=0  a leader leaves, and does not tell who waits for that
 */

#define CALLERS 2
#define ANSWERS 1
#define CLOSES 2
#define MUTE 3
#define CALLBACK 9

#ifndef CLOGGED
#define CLOGGED 0 /* whether the socket to the server is full at first */
#endif

bool locked; /* the client's lock */
bool wake, armed, armed_out; /* what the library's thread sleeps on */
bool nudge;
byte leader; /* a caller, counted from 1 */
bool leading, ousting, processing, held, broken, disconnect_wanted, any_cancelled, stopping;
bool running = true, called;
bool polling; /* the leader, in poll(2) on the descriptor */

chan wire = [CALLERS + EVENTS] of {byte}; /* what the server has written; */
bool eof;                                 /* behind it, the end */
chan rest = [CALLERS + EVENTS] of {byte}; /* read, and not handled yet */
chan requests = [CALLERS] of {byte};
chan queued = [CALLERS] of {byte}; /* not sent: the socket is full */
bool clogged = CLOGGED;

bool submitted[CALLERS], done[CALLERS], cancelled[CALLERS], late[CALLERS], asleep[CALLERS];
bool ouster_asleep, disconnecter_asleep; /* on `changed` */
bool gone[CALLERS];
bool thread_gone;

inline lock()
{
    atomic { !locked -> locked = true }
}

inline unlock()
{
    locked = false
}

#define due (held || broken || disconnect_wanted || any_cancelled)
#define readable (len(wire) > 0 || eof)

#ifdef GO_ON
#define may_handle len(rest) > 0
#else
#define may_handle len(rest) > 0 && !held
#endif

#ifdef LEAD_ANYWAY
#define may_lead true
#else
#define may_lead !processing
#endif

/* ---- command.c ---- */

/* complete() */
inline complete(i)
{
    atomic {
        if
        :: submitted[i] && !done[i] ->
            done[i] = true;
            asleep[i] = false;
#ifndef NO_NUDGE_DONE
            if
            :: leader == i + 1 && !leading -> nudge = true
            :: else
            fi
#endif
        :: else
        fi
    }
}

/* give_up() */
inline give_up(i)
{
    atomic { cancelled[i] = true; asleep[i] = false }
    any_cancelled = true;
    wake = true;
    if
    :: leader != 0 -> nudge = true
    :: else
    fi
}

/* ---- connection.c ---- */

/* connection_flush() */
inline flush()
{
    do
    :: len(queued) > 0 && !clogged -> queued?item; requests!item
    :: else -> break
    od
}

/* client_call_begin(), client_call_end() */
inline call_back()
{
    assert(!called);
    called = true;
    unlock();
    lock();
    called = false
}

/* handle_items(), on_item() */
inline handle(by_leader)
{
    do
    :: may_handle ->
        rest?item;
        if
        :: item == CALLBACK && by_leader -> held = true
        :: item == CALLBACK && !by_leader -> call_back()
        :: else -> assert(!held); complete(item - 1)
        fi
    :: else -> break
    od
}

/* receive_into() */
inline receive(by_leader)
{
    assert(len(rest) == 0 && !held && running);
    if
    :: len(wire) == 0 && eof -> broken = true
    :: else ->
        d_step {
            do
            :: len(wire) > 0 -> wire?item; rest!item
            :: else -> break
            od
        }
    fi;
    handle(by_leader)
}

/* drive_oust() */
inline oust()
{
#ifdef NO_OUST
    skip
#else
    if
    :: leader != 0 ->
        ousting = true;
#ifndef NO_NUDGE_OUST
        nudge = true;
#endif
        do
        :: leader != 0 -> atomic { ouster_asleep = true; unlock() }; !ouster_asleep; lock()
        :: else -> break
        od;
        ousting = false
    :: else
    fi
#endif
}

/* take_up() */
inline take_up()
{
    broken = false;
    if
    :: held -> held = false; call_back(); handle(false)
    :: else
    fi
}

/* connection_end() */
inline end()
{
    oust();
    take_up();
    armed = false;
    armed_out = false;
    assert(leader == 0 && !polling);
    running = false;
    complete(0);
    complete(1);
    disconnect_wanted = false;
    disconnecter_asleep = false
}

/* connection_break() */
inline connection_break()
{
    if
    :: running && !due -> broken = true
    :: else
    fi
}

/* ---- drive.c ---- */

/* drive_begin_leading() */
inline begin_leading(i)
{
    if
    :: running && leader == 0 && may_lead && !stopping && !due ->
        leader = i + 1;
        armed = false;
        leads = true
    :: else
    fi
}

/* drive_end_leading() */
inline end_leading()
{
    leader = 0;
#ifndef NO_ARM
    armed = running;
#endif
#ifndef NO_WAKE
    if
    :: due -> wake = true
    :: else
    fi;
#endif
#ifndef NO_TELL
    if
    :: ousting -> ouster_asleep = false
    :: else
    fi
#endif
}

/* drive_lead() */
inline lead(i)
{
    lock();
    do
    :: done[i] || cancelled[i] || timed_out || ousting || due -> break
    :: else ->
        if
        :: ready -> leading = true; receive(true); leading = false; ready = false
        :: else ->
            polling = true;
            unlock();
            if
            :: readable -> ready = true
            :: nudge -> nudged = true
#ifdef TIMEOUT
            :: i == 0 -> timed_out = true
#endif
#ifdef LEADER_FAILS
            :: failed = true
#endif
            fi;
            lock();
            polling = false;
            if
            :: nudged -> nudge = false; nudged = false
            :: else
            fi
#ifdef LEADER_FAILS
            ;
            if
            :: failed -> break
            :: else
            fi
#endif
        fi
    od;
    end_leading();
    unlock()
}

/* ---- the threads ---- */

/* qmp_client_execute(), or execute_async() and then qmp_pending_wait() */
proctype caller(byte i)
{
    byte item;
    bool leads, ready, nudged, timed_out, failed;

    lock();
    if
    :: running && !disconnect_wanted && !stopping ->
        if
        :: begin_leading(i)
        :: skip
        fi;
        submitted[i] = true;
        queued!i;
        flush();
        if
        :: len(queued) > 0 ->
#ifndef NO_WAKE_OUT
            wake = true
#else
            skip
#endif
        :: else
        fi;
        unlock();
        if
        :: !leads && !done[i] -> /* with the client pinned */
            lock();
            begin_leading(i);
            unlock()
        :: else
        fi;
        if
        :: leads -> lead(i)
        :: else
        fi;
        do
        :: atomic { done[i] || cancelled[i] || timed_out -> break }
        :: atomic { else -> asleep[i] = true }; !asleep[i]
        od;
        if
        :: timed_out -> give_up(i)
        :: else
        fi
    :: else -> unlock()
    fi;
    gone[i] = true
}

/* command_expire() */
inline expire(i)
{
    if
    :: (cancelled[i] || late[i]) && submitted[i] && !done[i] -> complete(i); did = true
    :: else
    fi
}

/* connection_step(), in drive_step() */
inline step()
{
    processing = true;
    if
    :: any_cancelled -> any_cancelled = false; expire(0); expire(1)
    :: else
    fi;
    if
    :: !running
    :: running && broken && !held -> end(); did = true
    :: running && held -> take_up(); did = true
    :: running && !held && !broken && disconnect_wanted -> end(); did = true
    :: running && !due && leader != 0 -> flush()
    :: running && !due && leader == 0 ->
        flush();
        if
        :: readable -> receive(false); did = true
        :: else
        fi
    :: else -> did = true /* more has come up */
    fi;
    processing = false
}

/* thread_main(), wait_for_work(), vigil_sleep() */
proctype thread()
{
    byte item;
    bool did, at_once, watches;

    do
    :: lock();
        if
        :: stopping -> unlock(); break
        :: else
        fi;
        did = false;
        step();
        unlock();
#ifdef CLEAR_LATE
        wake = false;
#endif
        if
        :: did
        :: else ->
            lock();
            watches = running && leader == 0;
            armed_out = running && len(queued) > 0;
#ifdef WATCH_LATE
            at_once = due;
            unlock();
            armed = watches;
#else
            armed = watches;
            at_once = due;
            unlock();
#endif
progress_asleep:
            if
            :: wake || at_once || (armed && readable) || (armed_out && !clogged)
#ifdef THREAD_FAILS
            :: lock(); connection_break(); unlock()
#endif
            fi;
#ifndef CLEAR_LATE
            wake = false
#endif
        fi
    od;
    thread_gone = true
}

proctype server()
{
    byte i, n_events;

    do
    :: requests?i ->
        if
        :: n_events < EVENTS -> n_events++; wire!CALLBACK
        :: skip
        fi;
#if SERVER != MUTE
        wire!(i + 1)
#else
        skip
#endif
#if CLOGGED
    :: clogged -> clogged = false
#endif
#if SERVER == CLOSES
    :: eof = true; break
#endif
    :: thread_gone -> break
    od
}

init
{
    byte item;
    bool disconnects;

    atomic { run thread(); run server(); run caller(0); run caller(1) }
#if SERVER != MUTE
    gone[0] && gone[1];
#else
    if
    :: submitted[0] -> give_up(0); disconnects = true /* qmp_pending_cancel() */
    :: submitted[0] -> late[0] = true; any_cancelled = true; wake = true; disconnects = true /* its time is over */
    :: skip
    fi;
    if
    :: disconnects -> /* qmp_client_disconnect() */
        gone[0];
        lock();
        if
        :: running -> disconnect_wanted = true; wake = true
        :: else
        fi;
        do
        :: disconnect_wanted -> atomic { disconnecter_asleep = true; unlock() }; !disconnecter_asleep; lock()
        :: else -> break
        od;
        unlock();
        gone[0] && gone[1]
    :: else
    fi;
#endif
    lock(); /* qmp_client_unref() */
    stopping = true;
    unlock();
    wake = true; /* drive_stop_thread() */
    thread_gone;
    lock(); /* client_free() */
    processing = true;
    if
    :: running -> end()
    :: else
    fi;
    unlock();
    gone[0] && gone[1];
    assert(len(rest) == 0 && !held)
}
