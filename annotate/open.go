package annotate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxDatabase bounds the size of a database, which is held in memory.
const maxDatabase = 1<<31 - 1

// Open reads a table from a file: a database in MaxMind's format, or text with a prefix on every line, either of them
// compressed with gzip or not. What the file holds decides, and its name alone where that ends in .mmdb. A file that is wrong
// anywhere is refused; the error names it, and the line or the offset.
//
// Text is CSV. Its first line names the columns, one of which is prefix (or network, or cidr):
//
//	prefix,asn,org,country
//	192.0.2.0/24,AS64496,"Example, Inc.",SE
//
// A text without such a line holds prefixes and numbers of autonomous systems, with a tab or a comma between them, or
// addresses, lengths and such numbers with tabs between them: the dumps that pyasn and RouteViews' prefix-to-AS lists are. Of
// several systems on one line the first is taken. Lines that begin with # are remarks, and so are those with ; before the
// first line that counts. Of several lines for a prefix the first one counts.
//
// The columns asn (with or without AS before the number), org or as_org, and country (two letters) have a meaning. All
// others are texts, under their names in lower case with underscores in place of whatever is neither a letter nor a digit.
// An empty cell, and system 0, mean that nothing is known.
func Open(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	defer f.Close()
	return readTable(f, path)
}

// readTable reads a table from r; path is for messages, and to know a database by.
func readTable(r io.Reader, path string) (*Table, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", path, err)
		}
		br = bufio.NewReaderSize(z, 64<<10)
	}
	if !isDatabase(br, path) {
		return readText(br, path)
	}
	b, err := io.ReadAll(io.LimitReader(br, maxDatabase+1))
	if err == nil && len(b) > maxDatabase {
		err = errors.New("it is longer than 2 GiB")
	}
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", path, err)
	}
	t, err := readDatabase(b)
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", path, err)
	}
	return t, nil
}

// isDatabase says whether what br begins with is no text: a database begins with small numbers of three or four bytes, which
// have zeros in them.
func isDatabase(br *bufio.Reader, path string) bool {
	head, _ := br.Peek(512)
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".gz")
	return strings.HasSuffix(name, ".mmdb") || bytes.IndexByte(head, 0) >= 0
}
