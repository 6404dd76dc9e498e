package lab

import (
	"fmt"
	"math/big"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// spreadQueues has each processor that we may use send on a queue of its own, as drivers of network cards do for themselves and
// that of virtual cables does not (XPS, Documentation/networking/scaling.rst in the kernel's source): that which the cable's
// driver takes for what XDP sends there. It wants root.
func spreadQueues(name string, queues int) error {
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return fmt.Errorf("look up our processors: %w", err)
	}
	sys, err := openSys()
	if err != nil {
		return fmt.Errorf("read sysfs of the namespace: %w", err)
	}
	defer unix.Close(sys)
	for q := range queues {
		mask := new(big.Int)
		for cpu := q; cpu < len(ours)*bits.UintSize; cpu += queues {
			if ours.IsSet(cpu) {
				mask.SetBit(mask, cpu, 1)
			}
		}
		path := fmt.Sprintf("class/net/%s/queues/tx-%d/xps_cpus", name, q)
		if err := writeAt(sys, path, cpuMask(mask)); err != nil {
			return fmt.Errorf("give queue %d its processors: %w", q, err)
		}
	}
	return nil
}

// cpuMask writes a set of processors as the kernel reads it: words of 32 bits in hexadecimal, the highest first.
func cpuMask(set *big.Int) string {
	text := fmt.Sprintf("%x", set)
	for i := len(text) - 8; i > 0; i -= 8 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// openSys opens a sysfs of this network namespace, which is mounted nowhere. The caller closes it.
func openSys() (int, error) {
	fs, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}

// writeAt writes text to a file below the folder dir.
func writeAt(dir int, path, text string) error {
	fd, err := unix.Openat(dir, path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
