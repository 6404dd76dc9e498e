package local

import "context"

// transact runs f in a transaction of its own. The lock is taken first: a transaction that reads before it writes is refused
// at once, and not after a while, if somebody else writes between.
func (s *SQLite) transact(f func() error) error {
	if err := s.begin(); err != nil {
		return err
	}
	if err := f(); err != nil {
		s.rollback()
		return err
	}
	return s.commit()
}

func (s *SQLite) begin() error {
	if s.within {
		return nil
	}
	_, err := s.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	s.within = err == nil
	return err
}

func (s *SQLite) commit() error {
	_, err := s.conn.ExecContext(context.Background(), "COMMIT")
	if err != nil {
		s.rollback()
		return err
	}
	s.within = false
	return nil
}

// rollback gives the lock back. Some errors have done that already, and then it is one to do it again.
func (s *SQLite) rollback() {
	if s.within {
		s.conn.ExecContext(context.Background(), "ROLLBACK") //nolint:errcheck // see above
		s.within = false
	}
}

// fail keeps the first error, and says what it means.
func (s *SQLite) fail(verb string, err error) error {
	if err != nil && s.err == nil {
		s.err = explain(verb, s.path, err)
		s.rollback()
	}
	return s.err
}
