package privilege

import (
	"errors"
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	landsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// nobody is the user without rights, and the group (Linux Standard Base, Debian policy 9.2.2).
const nobody = 65534

// Drop gives up all but what is needed, and returns what is left, also with an error: then some of it may be gone.
func Drop(n Need) (State, error) {
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	var s State
	if !n.Programs {
		var err error
		s.Landlock, err = fence(n.Folders)
		note("keep files from being written by Landlock", err)
		if os.Geteuid() == 0 && len(n.Folders) == 0 {
			note("become nobody", becomeNobody())
		}
		_, err = cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		note("give up new privileges", err)
		s.Sealed = err == nil
	}
	note("give up capabilities", keep(n))
	s.User = os.Geteuid()
	for v := range cap.MaxBits() {
		if has, err := cap.GetProc().GetFlag(cap.Permitted, v); err == nil && has {
			s.Capabilities = append(s.Capabilities, v.String())
		}
	}
	return s, errors.Join(errs...)
}

// kernelBefore says whether the kernel is older than that.
func kernelBefore(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	var a, b int
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); n < 2 {
		return true
	}
	return a < major || a == major && b < minor
}

// fence lets files be written in those folders alone, and the null device, which programs expect. What is open stays as it is.
func fence(folders []string) (version int, err error) {
	version, err = landsys.LandlockGetABIVersion()
	if err != nil || version <= 0 {
		return 0, nil //nolint:nilerr // this kernel has none: less is kept out, and nothing that is needed
	}
	rules := []landlock.Rule{landlock.RODirs("/"), landlock.RWFiles(os.DevNull)}
	if len(folders) > 0 {
		rules = append(rules, landlock.RWDirs(folders...).WithRefer().IgnoreIfMissing())
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return 0, err
	}
	return version, nil
}

// becomeNobody changes the user and all groups of root, who keeps the capabilities for keep to choose from.
func becomeNobody() error {
	if err := cap.SetGroups(nobody); err != nil {
		return err
	}
	return cap.SetUID(nobody)
}

// keep leaves those capabilities that are needed, out of those that the process has.
func keep(n Need) error {
	old, left := cap.GetProc(), cap.NewSet()
	for v, needed := range map[cap.Value]bool{cap.NET_ADMIN: n.Admin, cap.BPF: n.BPF && kernelBefore(5, 19)} {
		has, err := old.GetFlag(cap.Permitted, v)
		if err != nil || !needed || !has {
			continue
		}
		if err := errors.Join(left.SetFlag(cap.Permitted, true, v), left.SetFlag(cap.Effective, true, v)); err != nil {
			return err
		}
	}
	return errors.Join(cap.ResetAmbient(), left.SetProc())
}
