package outputs

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// parquetHead is what a Parquet file begins with (https://parquet.apache.org/docs/file-format).
const parquetHead = "PAR1"

// sqliteHead is what an SQLite database begins with (https://www.sqlite.org/fileformat2.html, section 1.3.1).
const sqliteHead = "SQLite format 3\x00"

// beginsWith says whether the file at path begins with those bytes. One that cannot be read does not: whoever opens it says why.
func beginsWith(path, head string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, len(head))
	n, _ := f.ReadAt(b, 0)
	return string(b[:n]) == head
}

// splitScan parts FILE#SCAN, unless there is a file of the whole name.
func splitScan(name string) (path, scan string) {
	i := strings.LastIndexByte(name, '#')
	if _, err := os.Stat(name); i < 0 || !errors.Is(err, fs.ErrNotExist) {
		return name, ""
	}
	return name[:i], name[i+1:]
}
