//go:build ignore

// Command main uses the generated Go client against the server at PAGILA_URL.
// It is compiled in the module of that client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	pagila "example.com/pagila/client"
)

const fromNewerServer = `{"type": "about:blank", "title": "Conflict", "status": 409, "detail": "New.", "instance": "/films",
	"code": "a_newer_code", "request_id": "1", "a_newer_member": 1}`

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config := pagila.NewConfiguration()
	config.Servers = pagila.ServerConfigurations{{URL: os.Getenv("PAGILA_URL")}}
	client := pagila.NewAPIClient(config)
	var newer pagila.Problem
	if err := json.Unmarshal([]byte(fromNewerServer), &newer); err != nil || newer.Code != "a_newer_code" {
		return fmt.Errorf("a problem from a newer server: %+v, %w", newer, err)
	}
	for _, step := range []func(context.Context, *pagila.APIClient) (string, error){list, read, readMissing, rentTwice, stream, ask} {
		summary, err := step(ctx, client)
		if err != nil {
			return err
		}
		fmt.Print(summary)
	}
	fmt.Println()
	return nil
}

func list(ctx context.Context, client *pagila.APIClient) (string, error) {
	page, _, err := client.FilmsAPI.ListFilms(ctx).PageSize(5).Execute()
	if err != nil {
		return "", fmt.Errorf("list films: %w", err)
	}
	if len(page.Items) != 5 || page.GetTotal() <= 5 {
		return "", fmt.Errorf("want 5 films of many, got %+v", page)
	}
	return fmt.Sprintf("%d films", page.GetTotal()), nil
}

func read(ctx context.Context, client *pagila.APIClient) (string, error) {
	film, _, err := client.FilmsAPI.GetFilm(ctx, 1).Execute()
	if err != nil {
		return "", fmt.Errorf("read a film: %w", err)
	}
	if want := os.Getenv("RENTAL_RATE"); film.GetRentalRate() != want || len(film.Actors) == 0 {
		return "", fmt.Errorf("want money as on the wire, %q, and actors, got %+v", want, film)
	}
	return fmt.Sprintf(", film 1 for %q", film.GetRentalRate()), nil
}

func readMissing(ctx context.Context, client *pagila.APIClient) (string, error) {
	_, _, err := client.FilmsAPI.GetFilm(ctx, math.MaxInt32).Execute()
	return wantProblem(err, 404, "film_not_found")
}

// logIn returns a context with a token.
func logIn(ctx context.Context, client *pagila.APIClient) (context.Context, error) {
	token, _, err := client.AuthenticationAPI.CreateToken(ctx).GrantType("password").
		Username(os.Getenv("API_USERNAME")).Password(os.Getenv("API_PASSWORD")).Execute()
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	return context.WithValue(ctx, pagila.ContextAccessToken, token.AccessToken), nil
}

// rentTwice rents a copy of a film and returns it. The second request gets the rental in the problem.
func rentTwice(ctx context.Context, client *pagila.APIClient) (string, error) {
	ctx, err := logIn(ctx, client)
	if err != nil {
		return "", err
	}
	for film := int32(1); film <= 1000; film++ {
		body := pagila.NewRentalRequest(1)
		body.SetFilmId(film)
		body.SetStoreId(1)
		request := client.RentalsAPI.CreateRental(ctx, 1).RentalRequest(*body)
		rental, _, err := request.Execute()
		if err != nil {
			if _, err := wantProblem(err, 409, "inventory_not_available", "already_rented_by_customer"); err != nil {
				return "", err
			}
			continue
		}
		_, _, err = request.Execute()
		summary, err := wantProblem(err, 409, "already_rented_by_customer")
		if err != nil {
			return "", err
		}
		returned, _, err := client.RentalsAPI.ReturnRental(ctx, 1, rental.RentalId).Execute()
		if err != nil || !returned.ReturnDate.IsSet() || returned.GetLateFee() != "0.00" {
			return "", fmt.Errorf("return the copy: %+v, %w", returned, err)
		}
		return fmt.Sprintf(", rented copy %d", rental.InventoryId) + summary, nil
	}
	return "", errors.New("all copies are out")
}

// stream offers the film 1 for streaming, with the ETag as it was read.
func stream(ctx context.Context, client *pagila.APIClient) (string, error) {
	ctx, err := logIn(ctx, client)
	if err != nil {
		return "", err
	}
	film, _, err := client.FilmsAPI.GetFilm(ctx, 1).Execute()
	if err != nil {
		return "", fmt.Errorf("read a film: %w", err)
	}
	update := client.FilmsAPI.UpdateFilm(ctx, 1).FilmUpdate(*pagila.NewFilmUpdate(!film.StreamingAvailable)).IfMatch(film.Etag)
	if _, _, err := update.Execute(); err != nil {
		return "", fmt.Errorf("change a film: %w", err)
	}
	_, _, err = update.Execute()
	return wantProblem(err, 412, "precondition_failed")
}

func ask(ctx context.Context, client *pagila.APIClient) (string, error) {
	answer, _, err := client.AIAPI.AskQuestion(ctx).Question("Which comedies are rated PG?").Execute()
	if err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	if answer == "" || strings.Contains(answer, "event:") {
		return "", fmt.Errorf("want an answer in plain text, got %.100q", answer)
	}
	return fmt.Sprintf(", answer of %d characters", len(answer)), nil
}

// wantProblem checks that an error is a problem with this status and one of the codes.
func wantProblem(err error, status int32, codes ...string) (string, error) {
	var apiError *pagila.GenericOpenAPIError
	if !errors.As(err, &apiError) {
		return "", fmt.Errorf("want a problem, got %w", err)
	}
	problem, ok := apiError.Model().(pagila.Problem)
	if !ok || problem.Status != status || !slices.Contains(codes, problem.Code) || problem.RequestId == "" {
		return "", fmt.Errorf("want %d %v with a request id, got %+v", status, codes, apiError.Model())
	}
	return fmt.Sprintf(", %d %s", status, problem.Code), nil
}
