package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"example.com/pagila-api/gen"
)

var (
	errMissingToken = errors.New("no bearer token")
	errInvalidToken = errors.New("not the right bearer token")
)

// oauthError is a refusal in OAuth2's words (RFC 6749, section 5.2).
type oauthError struct{ code, description string }

func (e *oauthError) Error() string { return e.code + ": " + e.description }

// authenticate guards the operations that the contract marks with a security requirement. The
// token comes in the Authorization header (RFC 6750, section 2.1).
func (s *Server) authenticate(r *http.Request) error {
	header := r.Header.Values("Authorization")
	if len(header) > 1 { // which of them a proxy has checked is not to be known
		return errInvalidToken
	}
	scheme, token, _ := strings.Cut(strings.Join(header, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return errMissingToken
	}
	if !equal(strings.TrimSpace(token), s.deps.Credentials.Token) {
		return errInvalidToken
	}
	return nil
}

// CreateToken gives the token to whoever knows the name and the password.
func (s *Server) CreateToken(_ context.Context, request gen.CreateTokenRequestObject) (gen.CreateTokenResponseObject, error) {
	if request.Body.GrantType != "password" {
		return nil, &oauthError{"unsupported_grant_type", "grant_type has to be password."}
	}
	// Both are compared, so that the time taken does not tell which was wrong.
	name := equal(request.Body.Username, s.deps.Credentials.Username)
	password := equal(request.Body.Password, s.deps.Credentials.Password)
	if !name || !password {
		return nil, &oauthError{"invalid_grant", "The name or the password is wrong."}
	}
	return gen.CreateToken200JSONResponse{
		AccessToken: s.deps.Credentials.Token,
		TokenType:   gen.TokenTokenTypeBearer,
	}, nil
}

// equal compares in a time that depends on neither value: not on their lengths either, hence the
// hashes.
func equal(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
