package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

var (
	errMissingToken = errors.New("missing bearer token")
	errInvalidToken = errors.New("invalid bearer token")

	errUnsupportedGrant = &oauthError{code: "unsupported_grant_type", description: "grant_type must be password."}
	errWrongCredentials = &oauthError{code: "invalid_grant", description: "The user name or the password is wrong."}
)

// oauthError is an error in OAuth2's terms (RFC 6749, section 5.2).
type oauthError struct {
	code, description string
	cause             *contract.InvalidError // replaces the description, if set
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

// asOAuthError translates the error of a token request that does not follow the contract into OAuth2's
// terms. An unknown grant takes precedence over missing parameters, since the grant decides which are required.
func asOAuthError(err error) error {
	var invalid *contract.InvalidError
	switch {
	case !errors.As(err, &invalid):
		return err
	case invalid.Violates("enum", "#/grant_type"):
		return errUnsupportedGrant
	default:
		return &oauthError{code: "invalid_request", cause: invalid}
	}
}

// ownLabel names the server's own token, [Credentials.Token].
const ownLabel = "API_TOKEN"

// acceptedTokens are the tokens that the server accepts, by their hashes. The time to look up what a client sent
// depends on its hash, which does not reveal how much of a guess is right.
type acceptedTokens map[[sha256.Size]byte]Token

// Scopes returns the scopes that the contract declares, sorted.
func Scopes(doc *openapi3.T) []string { return contract.Scopes(doc) }

// SetTokens sets the tokens that the server accepts beside that of [Credentials]. It may be called while requests are
// served. Those that have been authenticated continue.
func (s *Server) SetTokens(tokens []Token) {
	accepted := acceptedTokens{}
	for _, t := range tokens {
		accepted[t.Hash] = t
	}
	own := sha256.Sum256([]byte(s.deps.Credentials.Token))
	accepted[own] = Token{Label: ownLabel, Hash: own, Scopes: s.scopes}
	s.accepted.Store(&accepted)
}

// scopeError means that the token lacks a scope.
type scopeError struct{ needed []string }

func (e *scopeError) Error() string {
	return "the token lacks a scope of " + strings.Join(e.needed, " ")
}

// authorize checks that the request of an operation with a security requirement has a token with its scopes.
func (s *Server) authorize(call *call) error {
	token, err := s.authenticate(call.request)
	if err != nil {
		return err
	}
	call.token = token.Label
	if !token.Expires.IsZero() && !call.arrival.Before(token.Expires) {
		return errInvalidToken
	}
	for _, scope := range call.operation.Scopes {
		if !slices.Contains(token.Scopes, scope) {
			return &scopeError{call.operation.Scopes}
		}
	}
	return nil
}

// authenticate returns the bearer token of a request. The token is in the Authorization header (RFC 6750, section
// 2.1).
func (s *Server) authenticate(r *http.Request) (Token, error) {
	header := r.Header.Values("Authorization")
	if len(header) > 1 { // a proxy may have checked either one
		return Token{}, errInvalidToken
	}
	scheme, secret, _ := strings.Cut(strings.Join(header, ""), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return Token{}, errMissingToken
	}
	token, ok := (*s.accepted.Load())[sha256.Sum256([]byte(secret))]
	if !ok {
		return Token{}, errInvalidToken
	}
	return token, nil
}

// CreateToken responds with the token if the user name and the password are right. It treats a user name that does not
// exist like any other.
func (s *Server) CreateToken(ctx context.Context, request gen.CreateTokenRequestObject) (gen.CreateTokenResponseObject, error) {
	if err := s.limiter.takeLogin(s.proxies.client(callOf(ctx).request), request.Body.Username); err != nil {
		return nil, err
	}
	// Both are compared, so that the time this takes does not reveal which one is wrong.
	name := equal(request.Body.Username, s.deps.Credentials.Username)
	password := equal(request.Body.Password, s.deps.Credentials.Password)
	if !name || !password {
		return nil, errWrongCredentials
	}
	return gen.CreateToken200JSONResponse{
		AccessToken: s.deps.Credentials.Token,
		TokenType:   gen.TokenTokenTypeBearer,
		Scope:       new(strings.Join(s.scopes, " ")),
	}, nil
}

// equal compares in a time that does not depend on the values. The hashes hide their lengths too.
func equal(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
