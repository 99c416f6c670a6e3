// SPDX-License-Identifier: MIT

// govmm among the peers of qmp-bench: SOCKET trips|events|replies|once COUNT; see client.c.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/kata-containers/govmm/qemu"
)

const (
	warmUp = 10
	// Its default holds no large reply.
	capacity = 1 << 20
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: govmm SOCKET trips|events|replies|once COUNT")
		os.Exit(2)
	}
	socket, work := os.Args[1], os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	ctx := context.Background()
	config := qemu.QMPConfig{MaxCapacity: capacity}
	var events chan qemu.QMPEvent
	if work == "events" {
		events = make(chan qemu.QMPEvent, 1024)
		config.EventCh = events
	}
	q, _, err := qemu.QMPStart(ctx, socket, config, make(chan struct{}))
	check(err)
	check(q.ExecuteQMPCapabilities(ctx))
	call := func() {
		_, err := q.ExecuteQueryStatus(ctx)
		check(err)
	}
	if work == "replies" {
		call = func() {
			_, err := q.ExecQueryQmpSchema(ctx)
			check(err)
		}
	}
	if work == "once" {
		call()
		return
	}
	for i := 0; i < warmUp; i++ {
		call()
	}
	start := time.Now()
	if work == "events" {
		check(q.ExecuteStop(ctx))
		for i := 0; i < count; i++ {
			if _, ok := <-events; !ok {
				check(fmt.Errorf("the connection ended"))
			}
		}
	} else {
		for i := 0; i < count; i++ {
			call()
		}
	}
	fmt.Printf("%.1f\n", float64(time.Since(start).Nanoseconds())/float64(count))
}
