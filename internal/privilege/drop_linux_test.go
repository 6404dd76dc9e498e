package privilege

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A trial is what a process of its own does: it opens a file, starts threads, drops, and tries what it may.
type trial struct {
	Need   Need
	Inside string // a folder; of Need.Folders, if there are any
	Beside string // another
}

// An outcome is what came of it.
type outcome struct {
	State State
	Err   string
	Tried map[string]bool // which of the attempts went well
	// Threads has the lines of /proc/self/task/*/status on users, groups, capabilities and new privileges, each once.
	Threads []string
}

func TestMain(m *testing.M) {
	if text := os.Getenv("PRIVILEGE_TRIAL"); text != "" {
		var tr trial
		if err := json.Unmarshal([]byte(text), &tr); err != nil {
			panic(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(tr.run()); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func (tr trial) run() outcome {
	before, err := os.Create(filepath.Join(tr.Beside, "before"))
	if err != nil {
		panic(err)
	}
	for range 4 { // threads that are there already
		go func() {
			runtime.LockOSThread()
			time.Sleep(time.Minute)
		}()
	}
	time.Sleep(10 * time.Millisecond)
	s, err := Drop(tr.Need)
	o := outcome{State: s, Err: fmt.Sprint(err), Tried: make(map[string]bool)}
	try := func(what string, err error) { o.Tried[what] = err == nil }
	_, err = before.WriteString("x")
	try("write what was open", err)
	try("write inside", os.WriteFile(filepath.Join(tr.Inside, "new"), nil, 0o600))
	try("write beside", os.WriteFile(filepath.Join(tr.Beside, "new"), nil, 0o600))
	_, err = os.ReadFile("/etc/passwd")
	try("read", err)
	_, err = os.ReadFile("/etc/shadow")
	try("read secrets", err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	try("packet socket", err)
	_ = unix.Close(fd)
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1)
	}
	try("repair a connection", err)
	try("be root", unix.Setuid(0))
	try("change another's file", os.Chmod("/etc/passwd", 0o644))
	o.Threads = threads()
	return o
}

// threads returns what the threads have in common, and what they have not.
func threads() []string {
	var all []string
	seen := make(map[string]bool)
	files, _ := filepath.Glob("/proc/self/task/*/status")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for line := range strings.Lines(string(b)) {
			for _, about := range []string{"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapAmb:", "NoNewPrivs:"} {
				if strings.HasPrefix(line, about) && !seen[line] {
					seen[line] = true
					all = append(all, strings.Join(strings.Fields(line), " "))
				}
			}
		}
	}
	return all
}

func try(t *testing.T, tr trial) outcome {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root has something to give up")
	}
	text, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), "PRIVILEGE_TRIAL="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if o.Err != "<nil>" {
		t.Error(o.Err)
	}
	return o
}

// TestDrop has a process of root's give up what it can, for all its threads, and tries what it may do then.
func TestDrop(t *testing.T) {
	inside, beside := t.TempDir(), t.TempDir()
	none := "0000000000000000"
	common := func(user, groups, caps, sealed string) []string {
		ids := strings.Repeat(" "+user, 4)
		return []string{"Uid:" + ids, "Gid:" + ids, strings.TrimSpace("Groups: " + groups), "CapInh: " + none, "CapPrm: " + caps, "CapEff: " + caps, "CapAmb: " + none, "NoNewPrivs: " + sealed}
	}
	may := func(what ...string) map[string]bool {
		m := map[string]bool{
			"write what was open": true, "write inside": false, "write beside": false, "read": true, "read secrets": false, "packet socket": false,
			"repair a connection": false, "be root": false, "change another's file": false,
		}
		for _, w := range what {
			m[w] = true
		}
		return m
	}
	root := []string{"read secrets", "be root", "write inside"} // what root owns it may read, by the rights of the owner
	for name, c := range map[string]struct {
		need  Need
		user  int
		caps  []string
		tried map[string]bool
	}{
		"all":      {Need{}, nobody, nil, may()},
		"admin":    {Need{Admin: true}, nobody, []string{"cap_net_admin"}, may("repair a connection")},
		"folders":  {Need{Folders: []string{inside}}, 0, nil, may(root...)},
		"programs": {Need{Programs: true}, 0, nil, may(append(root, "write beside", "change another's file")...)},
	} {
		t.Run(name, func(t *testing.T) {
			o := try(t, trial{c.need, inside, beside})
			if c.user == 0 {
				delete(o.Tried, "change another's file") // Landlock leaves modes alone, and root owns the file
				delete(c.tried, "change another's file")
			}
			if d := cmp.Diff(c.tried, o.Tried); d != "" {
				t.Error(d)
			}
			sealed := !c.need.Programs
			if o.State.User != c.user || o.State.Sealed != sealed || cmp.Diff(c.caps, o.State.Capabilities) != "" || sealed && o.State.Landlock == 0 {
				t.Errorf("%+v", o.State)
			}
			bits, seal := none, "0"
			if c.need.Admin {
				bits = "0000000000001000"
			}
			if sealed {
				seal = "1"
			}
			want := common(fmt.Sprint(c.user), "", bits, seal)
			got := o.Threads
			if c.user == 0 { // whatever groups root has here
				want, got = append(want[:2:2], want[3:]...), append(got[:2:2], got[3:]...)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
