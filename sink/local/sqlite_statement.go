package local

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// A statement is a prepared one of the driver's own, with the memory of its arguments. database/sql looks at the type of each
// argument of each call, which takes as long as SQLite does for some columns; these have types that need no look.
type statement struct {
	stmt driver.Stmt
	args []driver.NamedValue
}

func (s *statement) prepare(c *sql.Conn, text string, args int) error {
	s.args = make([]driver.NamedValue, args)
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	return c.Raw(func(raw any) error {
		p, ok := raw.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("the driver's %T prepares no statements", raw)
		}
		var err error
		s.stmt, err = p.PrepareContext(context.Background(), text)
		return err
	})
}

func (s *statement) exec(c *sql.Conn) error {
	return c.Raw(func(any) error {
		e, ok := s.stmt.(driver.StmtExecContext)
		if !ok {
			return fmt.Errorf("the driver's %T does not take arguments with a context", s.stmt)
		}
		_, err := e.ExecContext(context.Background(), s.args)
		return err
	})
}

func (s *statement) close(c *sql.Conn) error {
	if s.stmt == nil {
		return nil
	}
	return c.Raw(func(any) error { return s.stmt.Close() })
}
