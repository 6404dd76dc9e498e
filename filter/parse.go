package filter

// maxDepth bounds brackets and negations within each other: the stack that parsing, checking and matching need is bounded
// by it.
const maxDepth = 200

// parser is a recursive descent parser with one token of lookahead, one method for each rule of the grammar.
type parser struct {
	lexer
	tok   token
	depth int
}

// parse returns the tree of src, which is not empty.
func parse(src string) (expr, *Error) {
	p := &parser{lexer: lexer{src: src}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.expected(`"&&", "||" or the end of the filter`)
	}
	return e, nil
}

// isReserved says whether a word is an operator where an operator may stand.
func isReserved(word string) bool {
	switch word {
	case "and", "or", "not", "in":
		return true
	}
	return false
}

func (p *parser) advance() (err *Error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) expected(what string) *Error {
	return p.errorf(p.tok.pos, "expected %s, found %s", what, p.tok)
}

// at says whether the current token is the operator of that kind, or its alias word.
func (p *parser) at(kind tokenKind, alias string) bool {
	return p.tok.kind == kind || p.tok.kind == tokenWord && p.tok.src == alias
}

func (p *parser) or() (expr, *Error) {
	terms, err := p.chain(p.and, tokenOr, "or")
	if err != nil || len(terms) > 1 {
		return &anyOf{terms}, err
	}
	return terms[0], nil
}

func (p *parser) and() (expr, *Error) {
	terms, err := p.chain(p.unary, tokenAnd, "and")
	if err != nil || len(terms) > 1 {
		return &allOf{terms}, err
	}
	return terms[0], nil
}

// chain parses one or more terms joined by an operator.
func (p *parser) chain(term func() (expr, *Error), kind tokenKind, alias string) ([]expr, *Error) {
	first, err := term()
	if err != nil {
		return nil, err
	}
	terms := []expr{first}
	for p.at(kind, alias) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		next, err := term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, next)
	}
	return terms, nil
}

func (p *parser) unary() (expr, *Error) {
	not, open := p.at(tokenNot, "not"), p.tok.kind == tokenOpen
	if !not && !open {
		return p.compare()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf(p.tok.pos, "brackets and negations are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if err := p.advance(); err != nil {
		return nil, err
	}
	if not {
		of, err := p.unary()
		return &negation{of}, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenClose {
		return nil, p.expected(`"&&", "||" or ")"`)
	}
	return e, p.advance()
}

func (p *parser) compare() (expr, *Error) {
	if p.tok.kind != tokenWord || isReserved(p.tok.src) {
		return nil, p.expected(`the name of a field, "not" or "("`)
	}
	c := &compare{pos: p.tok.pos, field: p.tok.src}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.at(tokenCompare, "in") {
		return nil, p.expected(`"=", "!=", "<", ">", "<=", ">=" or "in" after "` + c.field + `"`)
	}
	c.op, c.opPos = p.tok.op, p.tok.pos
	if p.tok.kind == tokenWord {
		c.op = opIn
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch p.tok.kind {
	case tokenWord, tokenNumber, tokenQuoted, tokenAddress:
		c.lit = p.tok.lit
		return c, p.advance()
	default:
		return nil, p.expected(`a number, a word, quoted text or an address after "` + c.op.String() + `"`)
	}
}
