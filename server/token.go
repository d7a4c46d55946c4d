package server

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Token is a bearer token with some of the contract's scopes. The server knows only its SHA-256. A slow hash would
// protect a token that can be guessed. The 256 random bits of [NewToken] cannot, and a slow hash would be computed
// for each request.
type Token struct {
	Label   string            // names the token in the log
	Hash    [sha256.Size]byte // of the token
	Scopes  []string          // sorted
	Expires time.Time         // from then on the token is not valid; zero means that it always is
}

// tokenBytes is the number of random bytes in a token.
const tokenBytes = 32

// tokenPrefix lets scanners for secrets recognize a token.
const tokenPrefix = "pagila_"

// NewToken returns a random token, and what the server has to know about it. known are the scopes of the contract.
func NewToken(label string, scopes []string, expires time.Time, known []string) (secret string, t Token, err error) {
	if err := errors.Join(checkLabel(label), checkScopes(scopes, known)); err != nil {
		return "", Token{}, err
	}
	var random [tokenBytes]byte
	rand.Read(random[:]) // never fails
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	return secret, Token{Label: label, Hash: sha256.Sum256([]byte(secret)), Scopes: sorted(scopes), Expires: expires}, nil
}

// String returns the line of the token in a file that [ParseTokens] reads.
func (t Token) String() string {
	fields := []string{t.Label, hex.EncodeToString(t.Hash[:]), strings.Join(t.Scopes, ",")}
	if !t.Expires.IsZero() {
		fields = append(fields, t.Expires.UTC().Format(time.RFC3339))
	}
	return strings.Join(fields, " ")
}

// ParseTokens reads tokens, one a line: a label, the SHA-256 of the token in hexadecimal digits, its scopes with
// commas in between, and optionally the time at which it expires (RFC 3339). Empty lines and lines that begin with #
// are ignored. known are the scopes of the contract. own is the server's own token, which has all scopes, and so must not
// be in the file. The error names all mistakes by their lines, and contains no part of a line but labels and scopes.
func ParseTokens(r io.Reader, known []string, own string) ([]Token, error) {
	p := tokenParser{known: known, labels: map[string]int{ownLabel: 0}, hashes: map[[sha256.Size]byte]int{sha256.Sum256([]byte(own)): 0}}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.line++
		if fields := strings.Fields(lines.Text()); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			p.parse(fields)
		}
	}
	p.fault(lines.Err())
	return p.tokens, errors.Join(p.faults...)
}

// tokenLabel is the form of a label, which is safe in a log.
var tokenLabel = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// checkLabel returns an error without the label, which may be a token in the wrong place.
func checkLabel(label string) error {
	if !tokenLabel.MatchString(label) {
		return errors.New("want a label of at most 64 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

func checkScopes(scopes, known []string) error {
	for _, scope := range scopes {
		if !slices.Contains(known, scope) {
			return fmt.Errorf("want one or more scopes of %s, separated by commas", strings.Join(known, ","))
		}
	}
	return nil
}

// sorted returns the scopes in alphabetical order, without repetitions.
func sorted(scopes []string) []string { return slices.Compact(slices.Sorted(slices.Values(scopes))) }

// tokenParser collects the tokens of a file, and its mistakes.
type tokenParser struct {
	known  []string // scopes
	line   int      // the number of the current one
	labels map[string]int
	hashes map[[sha256.Size]byte]int
	tokens []Token
	faults []error
}

// fault adds a mistake, unless it is nil.
func (p *tokenParser) fault(err error) {
	if err != nil {
		p.faults = append(p.faults, fmt.Errorf("line %d: %w", p.line, err))
	}
}

const (
	leastFields = 3 // the label, the hash and the scopes
	mostFields  = 4 // and the expiry
)

func (p *tokenParser) parse(fields []string) {
	if len(fields) < leastFields || len(fields) > mostFields {
		p.fault(errors.New("want a label, a hash, scopes, and perhaps the time at which the token expires"))
		return
	}
	scopes := strings.Split(fields[2], ",")
	t := Token{Label: p.label(fields[0]), Hash: p.hash(fields[1]), Scopes: sorted(scopes)}
	p.fault(checkScopes(scopes, p.known))
	if len(fields) == mostFields {
		var err error
		if t.Expires, err = time.Parse(time.RFC3339, fields[3]); err != nil {
			p.fault(errors.New("want the time at which the token expires as 2027-01-31T00:00:00Z"))
		}
	}
	p.tokens = append(p.tokens, t)
}

func (p *tokenParser) label(text string) string {
	if err := checkLabel(text); err != nil {
		p.fault(err)
	} else if first, taken := p.labels[text]; taken {
		p.fault(fmt.Errorf("the label %s is taken by %s", text, owner(first)))
	}
	p.labels[text] = p.line
	return text
}

func (p *tokenParser) hash(text string) (hash [sha256.Size]byte) {
	decoded, err := hex.DecodeString(text)
	if err != nil || len(decoded) != len(hash) {
		p.fault(errors.New("want the SHA-256 of the token as 64 hexadecimal digits, not the token itself"))
		return hash
	}
	copy(hash[:], decoded)
	if first, taken := p.hashes[hash]; taken {
		p.fault(fmt.Errorf("the token is the same as that of %s", owner(first)))
	}
	p.hashes[hash] = p.line
	return hash
}

// owner names the one that has the token in a line. Line 0 stands for the server's own token.
func owner(line int) string {
	if line == 0 {
		return "the server itself"
	}
	return fmt.Sprintf("line %d", line)
}
