package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// exchange is a call of an operation: its request and the response.
type exchange struct {
	operation  string // its id
	method     string
	path       string
	pathParams []any // in the path's order
	params     any   // a struct of the parameters in the query and in headers
	body       any   // encoded as JSON, unless it is a form; nil or a nil pointer if there is none
	repeat     repeat
	accept     string
	result     any // receives the JSON of the response
}

// call makes an exchange whose response is JSON or has no body.
func call[T any](ctx context.Context, a *API, e exchange) (*T, error) {
	result := new(T)
	e.accept, e.result = mediaJSON, result
	response, err := a.doer.do(ctx, e)
	if err != nil {
		return nil, err
	}
	return result, response.Body.Close() // closing it releases the context of the call
}

// request builds the request of an exchange.
func (e exchange) request(ctx context.Context, baseURL string) (*http.Request, error) {
	path, err := e.expandPath()
	if err != nil {
		return nil, err
	}
	query, header := encodeParams(e.params)
	header.Set("Accept", e.accept)
	body, contentType, err := encodeBody(e.body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	r, err := http.NewRequestWithContext(ctx, e.method, baseURL+path+query, body)
	if err != nil {
		return nil, fmt.Errorf("create the request: %w", err)
	}
	r.Header = header
	return r, nil
}

// encodeBody returns a body and its media type. Both are empty if there is no body.
func encodeBody(content any) (body io.Reader, contentType string, err error) {
	if form, ok := content.(url.Values); ok {
		return strings.NewReader(form.Encode()), "application/x-www-form-urlencoded", nil
	}
	if value := reflect.ValueOf(content); content == nil || value.Kind() == reflect.Pointer && value.IsNil() {
		return nil, "", nil
	}
	document, err := json.Marshal(content)
	if err != nil {
		return nil, "", fmt.Errorf("encode the body: %w", err)
	}
	return bytes.NewReader(document), mediaJSON, nil
}

// expandPath replaces the parameters in the path with their values.
func (e exchange) expandPath() (string, error) {
	path := e.path
	for _, value := range e.pathParams {
		segment := fmt.Sprint(value)
		if strings.Trim(segment, ".") == "" && len(segment) < 3 {
			return "", fmt.Errorf("%q cannot be a parameter of the path %s", segment, e.path)
		}
		start, end := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		path = path[:start] + url.PathEscape(segment) + path[end+1:]
	}
	return path, nil
}

// encodeParams encodes the fields of a struct. Those with the tag "form" are for the query, the others are
// for headers. Nil fields are omitted.
func encodeParams(params any) (string, http.Header) {
	query, header := url.Values{}, http.Header{}
	if params == nil {
		return "", header
	}
	for field, value := range reflect.ValueOf(params).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		add := header.Add
		if field.Tag.Get("form") != "" {
			add = query.Add
		}
		for _, text := range encodeParam(value) {
			add(name, text)
		}
	}
	if len(query) == 0 {
		return "", header
	}
	return "?" + query.Encode(), header
}

// encodeParam returns the values of a parameter: none for nil, one for each item of a slice.
func encodeParam(value reflect.Value) []string {
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return nil
		}
		return encodeParam(value.Elem())
	case reflect.Slice:
		var all []string
		for _, item := range value.Seq2() {
			all = append(all, encodeParam(item)...)
		}
		return all
	default:
		if t, ok := value.Interface().(time.Time); ok {
			return []string{t.Format(time.RFC3339Nano)}
		}
		return []string{fmt.Sprint(value.Interface())}
	}
}
