import au.csiro.fhir.auth.AuthConfig;
import au.csiro.fhir.export.BulkExportClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** CSIRO's bulk export client on an Accord, with Backend Services: a whole system export into a folder. */
class Export {
    public static void main(String[] given) throws Exception {
        var auth = AuthConfig.builder().enabled(true).useSMART(true).scope("system/*.rs")
            .clientId(given[1]).privateKeyJWK(Files.readString(Path.of(given[2]))).build();
        var result = BulkExportClient.systemBuilder().withFhirEndpointUrl(given[0]).withAuthConfig(auth)
            .withOutputDir(given[3]).withTimeout(Duration.ofMinutes(2)).build().export();
        System.out.println(result.getResults().size() + " files");
    }
}
