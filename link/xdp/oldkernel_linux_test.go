//go:build amd64 || arm64

package xdp

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// Commands of bpf(2) and what an old kernel would look at in their attributes (include/uapi/linux/bpf.h).
const (
	cmdMapCreate  = 0
	cmdProgLoad   = 5
	cmdLinkCreate = 28

	flagMmapable = 1 << 10
	insnCall     = 0x85
)

// A bpfCall is one call of bpf(2) by a thread that is watched.
type bpfCall struct {
	t       *testing.T
	command uint64
	attr    []byte
}

func (c *bpfCall) u32(at int) uint32 { return binary.NativeEndian.Uint32(c.attr[at:]) }
func (c *bpfCall) u64(at int) uint64 { return binary.NativeEndian.Uint64(c.attr[at:]) }

// read copies memory of this very process, which another thread has given to the kernel.
func read(t *testing.T, at uint64, n int) []byte {
	b := make([]byte, n)
	k, err := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{{Base: &b[0], Len: uint64(n)}}, []unix.RemoteIovec{{Base: uintptr(at), Len: n}}, 0)
	if err != nil || k != n {
		t.Errorf("read %d bytes: %v", k, err)
	}
	return b
}

// without returns the errno that a kernel gives which does not know that helper, and writes its verifier's words into the log.
func (c *bpfCall) without(helper uint32) unix.Errno {
	if c.command != cmdProgLoad {
		return 0
	}
	insns := read(c.t, c.u64(8), 8*int(c.u32(4)))
	for i := 0; i < len(insns); i += 8 {
		if insns[i] != insnCall || insns[i+1]>>4 != 0 || binary.NativeEndian.Uint32(insns[i+4:]) != helper {
			continue
		}
		if c.u32(24) > 0 {
			words := []byte("0: (85) call unknown#\ninvalid func unknown#\x00")
			words = []byte(strings.ReplaceAll(string(words), "#", "#"+strconv.Itoa(int(helper))))
			iov := []unix.Iovec{{Base: &words[0], Len: uint64(len(words))}}
			if _, err := unix.ProcessVMWritev(os.Getpid(), iov, []unix.RemoteIovec{{Base: uintptr(c.u64(32)), Len: len(words)}}, 0); err != nil {
				c.t.Errorf("write log: %v", err)
			}
		}
		return unix.EINVAL
	}
	return 0
}

// onKernel runs f on a thread whose calls of bpf(2) pass by refuse first: what it returns is what they fail with, and 0 lets
// the kernel have them. This kernel is thus as old as a test wants it (man 2 seccomp_unotify).
func onKernel(t *testing.T, refuse func(c *bpfCall) unix.Errno, f func()) {
	t.Helper()
	// The thread waits for us without the scheduler's knowledge: there must be a place for us beside it, and nothing that stops
	// all goroutines, for it cannot be stopped and we would not go on.
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	listener, done := make(chan int, 1), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := watchThread()
		if err != nil {
			t.Errorf("watch thread: %v", err)
		}
		listener <- fd
		if err == nil {
			f()
		}
	}()
	fd := <-listener
	if fd < 0 {
		return
	}
	defer unix.Close(fd)
	for {
		judge(t, fd, refuse)
		select {
		case <-done:
			return
		default:
		}
	}
}

// watchThread has the calls of bpf(2) by this thread reported to the descriptor that it returns.
func watchThread() (int, error) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// A notice is struct seccomp_notif, a reply struct seccomp_notif_resp (include/uapi/linux/seccomp.h).
type notice struct {
	id         uint64
	pid, flags uint32
	nr, arch   uint32
	ip         uint64
	args       [6]uint64
}

type reply struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// judge decides about a call, if one comes within a moment.
func judge(t *testing.T, fd int, refuse func(c *bpfCall) unix.Errno) {
	const moment = 5 // milliseconds
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, moment); err != nil || poll[0].Revents&unix.POLLIN == 0 {
		return
	}
	var n notice
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return // a signal came, to us or to the thread, which makes the call again
	}
	c := bpfCall{t: t, command: n.args[0], attr: make([]byte, 256)}
	copy(c.attr, read(t, n.args[1], min(int(n.args[2]), len(c.attr))))
	r := reply{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if errno := refuse(&c); errno != 0 {
		r.errno, r.flags = -int32(errno), 0
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r))); errno != 0 && errno != unix.ENOENT {
		t.Errorf("reply: %v", errno)
	}
}

// TestOldKernels must name the Linux version that is needed, and leave the turn to sockets.
func TestOldKernels(t *testing.T) {
	needBPF(t)
	const xdpGetBuffLen, xdpLoadBytes, skcLookupTCP = 188, 189, 99
	refuseIf := func(when bool) unix.Errno {
		if when {
			return unix.EINVAL
		}
		return 0
	}
	for _, c := range []struct {
		name   string
		refuse func(c *bpfCall) unix.Errno
		want   string
	}{
		{"4.19", func(c *bpfCall) unix.Errno { return c.without(skcLookupTCP) }, "bpf_skc_lookup_tcp), which Linux 5.2 brought"},
		{"5.4", func(c *bpfCall) unix.Errno {
			return refuseIf(c.command == cmdMapCreate && c.u32(16)&flagMmapable != 0)
		}, "BPF_F_MMAPABLE), which Linux 5.5 brought"},
		{"no trace points", func(c *bpfCall) unix.Errno {
			return refuseIf(c.command == cmdProgLoad && ebpf.ProgramType(c.u32(0)) == ebpf.Tracing)
		}, "tp_btf), which Linux 5.5 brought"},
		{"5.7", func(c *bpfCall) unix.Errno {
			return refuseIf(c.command == cmdMapCreate && ebpf.MapType(c.u32(0)) == ebpf.RingBuf)
		}, "BPF ring buffers, which Linux 5.8 brought"},
		{"no links", func(c *bpfCall) unix.Errno { return refuseIf(c.command == cmdLinkCreate) }, "attach to "},
		{"5.15", func(c *bpfCall) unix.Errno { return max(c.without(xdpLoadBytes), c.without(xdpGetBuffLen)) }, "bpf_xdp_load_bytes), which Linux 5.18 brought"},
		{"no live frames", func(c *bpfCall) unix.Errno {
			return refuseIf(c.command == progTestRun && c.u32(64)&liveFrames != 0)
		}, "live frames in BPF_PROG_RUN, which Linux 5.18 brought"},
		{"a newer verifier", func(c *bpfCall) unix.Errno {
			return refuseIf(c.command == cmdProgLoad && c.u32(4) > 100)
		}, "load program: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !again(t, func(*syscall.SysProcAttr) {}) { // here the library remembers what this kernel has
				return
			}
			p := newPair(t, 1500)
			cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Filter: link.Filter{TCP: link.TCPAll}}
			onKernel(t, c.refuse, func() {
				_, err := Engine{}.Open(t.Context(), cfg)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got error %v, want one with %q", err, c.want)
				}
				if unsupported := strings.Contains(c.want, "brought"); errors.Is(err, errors.ErrUnsupported) != unsupported {
					t.Errorf("error %v says unsupported: %v, want %v", err, !unsupported, unsupported)
				}
				fallback(t, cfg)
			})
		})
	}
}

// TestKernelWithoutBTF hides the kernel's information about its types.
func TestKernelWithoutBTF(t *testing.T) {
	needBPF(t)
	if !again(t, func(a *syscall.SysProcAttr) { a.Cloneflags |= syscall.CLONE_NEWNS }) {
		return
	}
	must(t, unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("none", "/sys/kernel/btf", "tmpfs", 0, ""))
	p := newPair(t, 1500)
	cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Filter: link.Filter{TCP: link.TCPAll}}
	_, err := Engine{}.Open(t.Context(), cfg)
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "CONFIG_DEBUG_INFO_BTF), which Linux 5.4 brought") {
		t.Errorf("got error %v", err)
	}
	fallback(t, cfg)
}

// TestShortOfMemory has a kernel that has no memory for frames now and then: they are offered again, as long as a busy driver
// would be.
func TestShortOfMemory(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 3}).TX[0]
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 100, 60, 200)
	calls := 0
	onKernel(t, func(*bpfCall) unix.Errno {
		if calls++; calls%3 != 0 {
			return unix.ENOMEM
		}
		return 0
	}, func() {
		for range 5 {
			if err := submit(t, tx, frames[:50]); err != nil {
				t.Error(err)
			}
		}
	})
	var want [][]byte
	for range 5 {
		want = append(want, frames[:50]...)
	}
	ear.expect(t, want)
	before := tx.Stats()
	if before.Sent != 250 || before.Refused != 0 || before.Retried < 5 { // a signal has the thread make a call again that we refused
		t.Errorf("got %+v, want 250 sent after retries", before)
	}
	onKernel(t, func(*bpfCall) unix.Errno { return unix.ENOMEM }, func() {
		if err := submit(t, tx, frames); err != nil {
			t.Error(err)
		}
	})
	ear.expect(t, nil)
	if got, want := tx.Stats(), (link.TXStats{Queued: 350, Sent: 250, Refused: 100, Retried: before.Retried + 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
