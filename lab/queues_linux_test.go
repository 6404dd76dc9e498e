package lab

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// queuesOf returns how many queues an interface of this thread's namespace has in each direction, and by number the queue that
// each processor sends on.
func queuesOf(name string) (tx, rx int, xps map[int]int, err error) {
	sys, err := openSys()
	if err != nil {
		return 0, 0, nil, err
	}
	defer unix.Close(sys)
	open := func(path string) (*os.File, error) {
		fd, err := unix.Openat(sys, "class/net/"+name+"/queues"+path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open queues%s of %s: %w", path, name, err)
		}
		return os.NewFile(uintptr(fd), path), nil
	}
	dir, err := open("")
	if err != nil {
		return 0, 0, nil, err
	}
	defer dir.Close()
	queues, err := dir.Readdirnames(-1)
	xps = make(map[int]int)
	for _, q := range queues {
		number, sends := strings.CutPrefix(q, "tx-")
		if !sends {
			rx++
			continue
		}
		tx++
		f, err := open("/" + q + "/xps_cpus")
		if err != nil {
			return 0, 0, nil, err
		}
		text := make([]byte, 4096)
		n, err := f.Read(text)
		_ = f.Close()
		if errors.Is(err, unix.ENOENT) { // of an interface with one queue
			continue
		}
		if err != nil {
			return 0, 0, nil, err
		}
		mask, ok := new(big.Int).SetString(strings.ReplaceAll(strings.TrimSpace(string(text[:n])), ",", ""), 16)
		if !ok {
			return 0, 0, nil, fmt.Errorf("queue %s: processors %q", q, text[:n])
		}
		at, _ := strconv.Atoi(number)
		for cpu := range mask.BitLen() {
			if mask.Bit(cpu) == 1 {
				xps[cpu] = at
			}
		}
	}
	return tx, rx, xps, err
}

// TestQueues reads back what the kernel has made of the cable.
func TestQueues(t *testing.T) {
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		t.Fatal(err)
	}
	for _, q := range []int{0, 1, 2, 3, 16} {
		n, err := New(bounded(t), World{Queues: q})
		if q > 1 && errors.Is(err, os.ErrPermission) {
			t.Skipf("it takes root: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := max(q, 1)
		tx, rx, xps, err := queuesOf(scannerEnd)
		if err != nil || tx != want || rx != want {
			t.Errorf("%d queues asked for: %d to send, %d to receive, want %d; error %v", q, tx, rx, want, err)
		}
		for cpu := range 1024 {
			at, on := xps[cpu]
			if spread := want > 1 && ours.IsSet(cpu); on != spread || spread && at != cpu%want {
				t.Errorf("%d queues: processor %d sends on %d (of its own: %v)", q, cpu, at, on)
			}
		}
		err = n.visit(func() (err error) {
			tx, rx, _, err = queuesOf(internetEnd)
			return err
		})
		if err != nil || tx != want || rx != want {
			t.Errorf("%d queues asked for: the far end has %d to send, %d to receive, want %d; error %v", q, tx, rx, want, err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTooManyQueues says that nothing is made of numbers that make no sense.
func TestTooManyQueues(t *testing.T) {
	for _, q := range []int{-1, maxQueues + 1, 1 << 40} {
		want := fmt.Sprintf("%d queues: must be 0 to %d", q, maxQueues)
		if n, err := New(bounded(t), World{Queues: q}); n != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, error %v; want none, and an error with %q", n, err, want)
		}
	}
}

// TestMaskOfProcessors writes masks as the kernel reads them.
func TestMaskOfProcessors(t *testing.T) {
	for want, cpus := range map[string][]int{
		"0": nil, "1": {0}, "a": {1, 3}, "80000000": {31}, "1,00000000": {32}, "10,00000001,00000000,00000002": {1, 64, 100},
	} {
		set := new(big.Int)
		for _, cpu := range cpus {
			set.SetBit(set, cpu, 1)
		}
		if got := cpuMask(set); got != want {
			t.Errorf("%v: %q, want %q", cpus, got, want)
		}
	}
}
