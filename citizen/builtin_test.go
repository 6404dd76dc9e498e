package citizen

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/target"
)

// built returns the space that fill leaves of all of IPv4.
func built(t *testing.T, fill func(*target.Builder) error) *target.Space {
	t.Helper()
	var b target.Builder
	if err := fill(&b); err != nil {
		t.Fatal(err)
	}
	space, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func TestZMapListIsThatOfCZMap(t *testing.T) {
	space := built(t, func(b *target.Builder) error { return ReadBlocklist(b, ListZMap) })
	if got := space.Addrs(); got != 3702258432 {
		t.Errorf("%s leaves %d addresses, want 3702258432", ListZMap, got)
	}
	// The metadata of a scan name the entries in the order of the file.
	want := strings.Fields("0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 " +
		"192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 224.0.0.0/4 " +
		"0.0.0.0/32")
	if diff := cmp.Diff(want, texts(space.BlockEntries())); diff != "" {
		t.Errorf("entries of %s differ (-want +got):\n%s", ListZMap, diff)
	}
}

func TestSpecialListByNameIsTheDefault(t *testing.T) {
	byName := built(t, func(b *target.Builder) error { return ReadBlocklist(b, ListSpecial) })
	byDefault := spaceOf(t, ListSpecial)
	if diff := cmp.Diff(texts(byDefault.BlockEntries()), texts(byName.BlockEntries())); diff != "" {
		t.Errorf("entries of %s differ from the default (-default +named):\n%s", ListSpecial, diff)
	}
}

func TestReadBlocklistOfFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "blocklist")
	if err := os.WriteFile(path, []byte("10.0.0.0/8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	space := built(t, func(b *target.Builder) error { return ReadBlocklist(b, path) })
	if got, want := space.Addrs(), uint64(1<<32-1<<24-1); got != want {
		t.Errorf("with 10.0.0.0/8 in a file: %d addresses, want %d", got, want)
	}
	if err := ReadBlocklist(&target.Builder{}, path+"x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadBlocklist of a missing file: error %v", err)
	}

	// A file can have the name of a built-in list, if its directory is named as well.
	t.Chdir(dir)
	if err := os.WriteFile(ListZMap, []byte("20.0.0.0/8\n"), 0o600); err != nil {
		t.Skipf("the file system does not allow a file of the name %s: %v", ListZMap, err)
	}
	space = built(t, func(b *target.Builder) error { return ReadBlocklist(b, "./"+ListZMap) })
	if space.Contains(netip.MustParseAddr("20.0.0.1")) || !space.Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Errorf("ReadBlocklist(./%s) read another list than the file: %v", ListZMap, space.BlockEntries())
	}
}

func TestBuiltinErrorNamesTheLists(t *testing.T) {
	for _, name := range []string{"builtin:", "builtin:zmap ", "builtin:ZMAP", "builtin:../special.txt", "builtin:" + strings.Repeat("x", 1000)} {
		_, err := Builtin(name)
		if err == nil || !strings.Contains(err.Error(), ListSpecial) || !strings.Contains(err.Error(), ListZMap) || len(err.Error()) > 300 {
			t.Errorf("Builtin(%.30q): error %v, want a short one that names both lists", name, err)
		}
		if err := ReadBlocklist(&target.Builder{}, name); err == nil || !strings.HasPrefix(err.Error(), "read list of networks: ") {
			t.Errorf("ReadBlocklist(%.30q): error %v", name, err)
		}
		if !IsBuiltin(name) {
			t.Errorf("IsBuiltin(%.30q) = false", name)
		}
	}
	for _, name := range []string{"", "special", "./builtin:zmap", "/etc/zmap/blocklist.conf"} {
		if IsBuiltin(name) {
			t.Errorf("IsBuiltin(%q) = true", name)
		}
	}
}

// texts returns networks as they are written in lists.
func texts(networks []netip.Prefix) []string {
	list := make([]string, len(networks))
	for i, p := range networks {
		list[i] = p.String()
	}
	return list
}
