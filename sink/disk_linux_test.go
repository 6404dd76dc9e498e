package sink

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onDisk runs do with a folder on a disk of that many bytes, in a goroutine whose thread has mounts of its own and ends with it.
func onDisk(t *testing.T, size string, do func(folder string)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk takes root")
	}
	folder := t.TempDir()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, "")
		}
		if err == nil {
			err = syscall.Mount("none", folder, "tmpfs", 0, "size="+size)
		}
		if err == nil {
			do(folder)
			err = syscall.Mount("none", folder, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
		}
		if err == nil {
			if _, e := Create(filepath.Join(folder, "a.csv")); e == nil || !strings.Contains(e.Error(), "create output file: open "+folder+"/a.csv: read-only file system") {
				t.Errorf("Create on a disk that is read-only: got %v", e)
			}
			now := time.Now()
			if e := rotate(RotateOptions{Path: filepath.Join(folder, "a.csv")}, &now).Open(synSchema()); !errors.Is(e, syscall.EROFS) {
				t.Errorf("rotate on a disk that is read-only: got %v", e)
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
}

// TestFullDisk: a full disk is said with the name of the file; the rows before are there, and no file looks complete.
func TestFullDisk(t *testing.T) {
	for ending := range packings() {
		onDisk(t, "256k", func(folder string) {
			path := filepath.Join(folder, "a.csv"+ending)
			file, err := Create(path)
			if err != nil {
				t.Error(err)
				return
			}
			out := NewCSV(file, Options{Fields: "saddr,saddr_raw"})
			if err := fill(t, out); err == nil || !strings.Contains(err.Error(), "write output: write "+path+": no space left on device") {
				t.Errorf("%s: got %v", path, err)
			}
			if err := out.Close(); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("close %s: got %v", path, err)
			}
			file.Close()
			if n := count(t, path); n < 3000 {
				t.Errorf("%s: %d rows are there", path, n)
			}
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
			now := time.Now()
			r := rotate(RotateOptions{Path: path, Size: 100_000}, &now)
			if err := fill(t, r); err == nil || !strings.Contains(err.Error(), ".csv"+ending+".part: no space left on device") {
				t.Errorf("rotate %s: got %v", path, err)
			}
			if err := r.Close(); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("rotate %s: Close got %v", path, err)
			}
			names := files(t, folder)
			for i, name := range names {
				if i < len(names)-1 == strings.HasSuffix(name, partSuffix) {
					t.Errorf("files are %q: want complete ones, then one that is not", names)
				}
				if n := count(t, filepath.Join(folder, name)); n == 0 {
					t.Errorf("%s: %d rows are there", name, n)
				}
			}
		})
	}
}

// fill writes rows to a sink until it has an error.
func fill(t *testing.T, s Sink) error {
	t.Helper()
	err := s.Open(synSchema())
	row := synRow(t)
	for i := 0; err == nil && i < 1_000_000; i++ {
		row.Values[1].SetUint(scrambled(i))
		err = s.Write(row)
	}
	return err
}

// count returns how many rows of a file can be read.
func count(t *testing.T, path string) int {
	t.Helper()
	s, err := OpenSource(path, SourceOptions{Field: types})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer s.Close()
	_, rows, _ := readAll(t, s)
	return len(rows)
}
