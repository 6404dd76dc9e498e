//go:build amd64 || arm64

package xdp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// A need is something of the kernel that the program cannot do without. Live frames are no need that can be looked up: the
// frame that proves a link tells.
type need struct {
	feature string
	since   string       // the Linux version that brought it
	have    func() error // wraps ebpf.ErrNotSupported if it is missing
}

// needs are the needs, those first that imply the others: the version that is named should be enough. docs/links.md has the same
// table.
func needs() []need {
	return []need{
		{"frames read and written by helpers (bpf_xdp_load_bytes)", "5.18", func() error {
			return features.HaveProgramHelper(ebpf.XDP, asm.FnXdpLoadBytes)
		}},
		{"BPF ring buffers", "5.8", func() error { return features.HaveMapType(ebpf.RingBuf) }},
		{"type information about itself (CONFIG_DEBUG_INFO_BTF)", "5.4", func() error {
			_, err := btf.LoadKernelSpec()
			return err
		}},
		{"BPF programs at trace points (tp_btf)", "5.5", func() error { return features.HaveProgramType(ebpf.Tracing) }},
		{"memory that BPF maps share with programs (BPF_F_MMAPABLE)", "5.5", func() error {
			return features.HaveMapFlag(features.BPF_F_MMAPABLE)
		}},
		{"sockets looked up by XDP programs (bpf_skc_lookup_tcp)", "5.2", func() error {
			return features.HaveProgramHelper(ebpf.XDP, asm.FnSkcLookupTcp)
		}},
	}
}

// missing returns the first need that this kernel does not meet.
func missing(all []need) (need, bool) {
	for _, n := range all {
		if errors.Is(n.have(), ebpf.ErrNotSupported) {
			return n, true
		}
	}
	return need{}, false
}

// refused words an error of the kernel about BPF, so that it says what is missing. Without a right the kernel may as well say
// that it does not know what the program asks for.
func refused(what string, err error) error {
	if lacks := rightsMissing(); lacks != "" {
		return fmt.Errorf("%s: %w: %s missing: %s", what, unix.EPERM, lacks, link.HowToAllow("cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw"))
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s: %w: the capabilities are there, but do not count: root of a user namespace cannot load programs, and the "+
			"seccomp profile of a container may forbid it", what, unix.EPERM)
	}
	if n, ok := missing(needs()); ok {
		return fmt.Errorf("%s: %w", what, &link.UnsupportedError{Feature: n.feature, MinKernel: n.since})
	}
	var rejected *ebpf.VerifierError
	if errors.As(err, &rejected) && len(rejected.Log) > 0 {
		return fmt.Errorf("%s: this kernel's verifier does not accept it: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// rightsMissing names the capabilities that the thread lacks.
func rightsMissing() string {
	var lacks []string
	for _, c := range []struct {
		name   string
		number uint
	}{{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}, {"CAP_PERFMON", unix.CAP_PERFMON}, {"CAP_BPF", unix.CAP_BPF}} {
		if !capable(c.number) {
			lacks = append(lacks, c.name)
		}
	}
	return strings.Join(lacks, ", ")
}

// capable says whether the thread has a capability, for which CAP_SYS_ADMIN stands as well (man 7 capabilities).
func capable(number uint) bool {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return false
	}
	has := func(n uint) bool { return data[n/32].Effective>>(n%32)&1 == 1 }
	return has(number) || has(unix.CAP_SYS_ADMIN)
}
