package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

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

// authenticate checks the bearer token of an operation with a security requirement. The token is in the
// Authorization header (RFC 6750, section 2.1).
func (s *Server) authenticate(r *http.Request) error {
	header := r.Header.Values("Authorization")
	if len(header) > 1 { // a proxy may have checked either one
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

// CreateToken responds with the token if the user name and the password are right.
func (s *Server) CreateToken(_ context.Context, request gen.CreateTokenRequestObject) (gen.CreateTokenResponseObject, error) {
	// Both are compared, so that the time this takes does not reveal which one is wrong.
	name := equal(request.Body.Username, s.deps.Credentials.Username)
	password := equal(request.Body.Password, s.deps.Credentials.Password)
	if !name || !password {
		return nil, errWrongCredentials
	}
	return gen.CreateToken200JSONResponse{
		AccessToken: s.deps.Credentials.Token,
		TokenType:   gen.TokenTokenTypeBearer,
	}, nil
}

// equal compares in a time that does not depend on the values. The hashes hide their lengths too.
func equal(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
