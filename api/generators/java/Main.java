import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AiApi;
import org.openapitools.client.api.AuthenticationApi;
import org.openapitools.client.api.FilmsApi;
import org.openapitools.client.api.RentalsApi;
import org.openapitools.client.model.FilmUpdate;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.RentalRequest;

/** Uses the generated Java client against the server at PAGILA_URL. */
public class Main {
  private static final String FROM_NEWER_SERVER = """
      {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "New.", "instance": "/films",
       "code": "a_newer_code", "request_id": "1", "a_newer_member": 1}""";

  private final ApiClient client = new ApiClient();
  private final ObjectMapper mapper = client.getObjectMapper();

  public static void main(String[] args) throws Exception {
    new Main().run();
  }

  private void run() throws Exception {
    client.updateBaseUri(System.getenv("PAGILA_URL"));
    client.setReadTimeout(Duration.ofMinutes(1));
    var newer = mapper.readValue(FROM_NEWER_SERVER, Problem.class);
    check(newer.getCode().equals("a_newer_code"), "a code that this version does not know", newer);
    System.out.println(readFilms(new FilmsApi(client)) + logInAndRent() + stream(new FilmsApi(client)) + ask());
  }

  private String readFilms(FilmsApi films) throws Exception {
    var page =
        films.listFilms(FilmsApi.APIListFilmsRequest.newBuilder().pageSize(5).build());
    check(page.getItems().size() == 5 && page.getTotal() > 5, "5 films of many", page);
    var film = films.getFilm(1);
    check(film.getRentalRate().equals(System.getenv("RENTAL_RATE")), "money as on the wire", film);
    check(mapper.valueToTree(film).get("rental_rate").isTextual(), "money written as a string", film);
    check(!film.getActors().isEmpty(), "actors", film);
    return "%d films, film 1 for \"%s\"".formatted(page.getTotal(), film.getRentalRate())
        + wantProblem(() -> films.getFilm(Integer.MAX_VALUE), 404, "film_not_found");
  }

  private String logInAndRent() throws Exception {
    var token = new AuthenticationApi(client)
        .createToken("password", System.getenv("API_USERNAME"), System.getenv("API_PASSWORD"), null, null, null);
    // With the native library, an interceptor has to authenticate the requests.
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token.getAccessToken()));
    var rentals = new RentalsApi(client);
    for (int film = 1; film <= 1000; film++) {
      var request = new RentalRequest().filmId(film).storeId(1).staffId(1);
      try {
        var rental = rentals.createRental(1, request);
        check(rental.getReturnDate() == null && rental.getDueDate().isAfter(rental.getRentalDate()), "a rental", rental);
        var again = wantProblem(() -> rentals.createRental(1, request), 409, "already_rented_by_customer");
        var returned = rentals.returnRental(1, rental.getRentalId());
        check(returned.getReturnDate() != null && returned.getLateFee().equals("0.00"), "a return", returned);
        return ", rented copy " + rental.getInventoryId() + again;
      } catch (ApiException e) {
        var code = problem(e).getCode();
        check(code.equals("inventory_not_available") || code.equals("already_rented_by_customer"), "409", e);
      }
    }
    throw new IllegalStateException("all copies are out");
  }

  /** Offers the film 1 for streaming. Its ETag as it was read allows one change. */
  private String stream(FilmsApi films) throws Exception {
    var film = films.getFilm(1);
    var update = new FilmUpdate().streamingAvailable(!film.getStreamingAvailable());
    films.updateFilm(1, update, film.getEtag());
    return wantProblem(() -> films.updateFilm(1, update, film.getEtag()), 412, "precondition_failed");
  }

  private String ask() throws Exception {
    var answer = new AiApi(client).askQuestion("Which comedies are rated PG?");
    check(!answer.isEmpty() && !answer.contains("event:"), "an answer in plain text", answer);
    return ", answer of " + answer.length() + " characters";
  }

  private interface Call {
    void run() throws ApiException;
  }

  /** Checks that a call fails with a problem of this status and code. */
  private String wantProblem(Call call, int status, String code) throws Exception {
    try {
      call.run();
    } catch (ApiException e) {
      var problem = problem(e);
      check(problem.getStatus() == status && problem.getCode().equals(code), status + " " + code, problem);
      check(!problem.getRequestId().isEmpty(), "a request id", problem);
      return ", " + status + " " + code;
    }
    throw new IllegalStateException("want " + status + " " + code + ", got a success");
  }

  private Problem problem(ApiException e) throws Exception {
    if (e.getResponseBody() == null) {
      throw e;
    }
    return mapper.readValue(e.getResponseBody(), Problem.class);
  }

  private static void check(boolean ok, String want, Object got) {
    if (!ok) {
      throw new IllegalStateException("want " + want + ", got " + got);
    }
  }
}
