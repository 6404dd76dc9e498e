package local

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"
)

// explain returns an error that names the file and says what to do; nil for nil.
func explain(verb, path string, err error) error {
	if err == nil {
		return nil
	}
	if advice := advise(err); advice != "" {
		return fmt.Errorf("%s SQLite database %s: %s: %w", verb, path, advice, err)
	}
	return fmt.Errorf("%s SQLite database %s: %w", verb, path, err)
}

const notDatabase = "this is no SQLite database: name another file, or move it away"

// advise returns what an error of SQLite's means to the user, "" if it says that itself.
func advise(err error) string {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff {
	case code.SQLITE_BUSY, code.SQLITE_LOCKED:
		return "another program has locked it: close that, or write to another file; rows committed before are in it"
	case code.SQLITE_NOTADB:
		return notDatabase
	case code.SQLITE_CORRUPT:
		return `it is damaged: "sqlite3 FILE .recover" gets out of it what can be read`
	case code.SQLITE_READONLY, code.SQLITE_PERM, code.SQLITE_AUTH:
		return "it cannot be written: see who may write the file and its folder, which gets two more"
	case code.SQLITE_CANTOPEN:
		return "it cannot be opened: see whether the folder is there, and who may write the file and its folder, which gets two more"
	case code.SQLITE_FULL:
		return "the disk is full: make room; rows committed before are in it"
	case code.SQLITE_IOERR:
		return "reading or writing it fails, as on a full or broken disk, or at a limit of file sizes; rows committed before are in it"
	}
	return ""
}
