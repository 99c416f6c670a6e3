// SPDX-License-Identifier: MIT

// go-qemu among the peers of qmp-bench: SOCKET trips|events|replies|once COUNT; see client.c.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

const warmUp = 10

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: goqemu SOCKET trips|events|replies|once COUNT")
		os.Exit(2)
	}
	socket, work := os.Args[1], os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	monitor, err := qmp.NewSocketMonitor("unix", socket, 20*time.Second)
	check(err)
	check(monitor.Connect())
	call := func(command string) {
		_, err := monitor.Run([]byte(`{"execute": "` + command + `"}`))
		check(err)
	}
	command := "query-status"
	if work == "replies" {
		command = "query-qmp-schema"
	}
	if work == "once" {
		call(command)
		return
	}
	for i := 0; i < warmUp; i++ {
		call(command)
	}
	start := time.Now()
	if work == "events" {
		events, err := monitor.Events(context.Background())
		check(err)
		call("stop")
		for i := 0; i < count; i++ {
			if _, ok := <-events; !ok {
				check(fmt.Errorf("the connection ended"))
			}
		}
	} else {
		for i := 0; i < count; i++ {
			call(command)
		}
	}
	fmt.Printf("%.1f\n", float64(time.Since(start).Nanoseconds())/float64(count))
}
